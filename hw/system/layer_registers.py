"""What loads and stores a layer's tensors: registers that the program writes."""

from __future__ import annotations

from collections.abc import Iterable

from amaranth import Elaboratable, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa.layer_registers import RESET, LayerRegister, layer_fields
from shiftbook.golden.isa.registers import INDEX_WIDTH, Region
from shiftbook.golden.spec import Spec
from shiftbook.hw.engine.layouts import config_word, shape


def settings(spec: Spec, registers: Iterable[LayerRegister] | None = None) -> wiring.Signature:
    """What a layer is, as the program said it: a member for each register or for some, see `layer_fields`."""
    fields = layer_fields(spec)
    chosen = fields if registers is None else registers
    return wiring.Signature({fields[each].name: Out(shape(fields[each])) for each in chosen})


def tell(m: Module, source: wiring.PureInterface, target: wiring.PureInterface) -> None:
    """Give a part the settings that it asks for."""
    m.d.comb += [getattr(target, name).eq(getattr(source, name)) for name in target.signature.members]


class LayerRegisters(wiring.Component):
    """The registers themselves.

    Parameters
    ----------
    spec
        Widths.

    Members
    -------
    config : In(StructLayout)
        See `hw.engine.layouts.config_word`; while ``configure``.
    configure : In(1)
        ``config`` is a write.
    start : In(1)
        Strobe: a program begins; those of `golden.isa.layer_registers.RESET` are 0.
    layer : Out(Signature)
        All registers, see `settings`.

    Latency
    -------
    One cycle.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "config": In(config_word()),
                "configure": In(1),
                "start": In(1),
                "layer": Out(settings(spec)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        region, index = self.config.address[INDEX_WIDTH:], self.config.address[:INDEX_WIDTH]
        for register, field in layer_fields(self.spec).items():
            value = Signal(shape(field), name=f"{field.name}_value", reset_less=True)
            with m.If(self.configure & (region == Region.LAYER) & (index == register)):
                m.d.sync += value.eq(self.config.data)
            if register in RESET:
                with m.If(self.start):
                    m.d.sync += value.eq(0)
            m.d.comb += getattr(self.layer, field.name).eq(value)
        return m
