"""Two pins for any component, so that one with more ports than a chip has pins can be placed and routed."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Signal, Value
from amaranth.hdl import ValueCastable
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

FOLDED = 3
"""Output bits that one stage of the way out takes: with the stage before it, the inputs of one LUT4."""


class Pins(wiring.Component):
    """A component behind registers: every input bit comes from one, and every output bit goes to one.

    All its paths then begin and end at registers, and none is optimized away: each input can be anything,
    and each output can be seen. The registers of inputs are one shift register. Those of outputs are folded
    by exclusive or into a second one, `FOLDED` bits a stage.

    Parameters
    ----------
    component
        What to wrap.

    Members
    -------
    serial_in : In(1)
        Shifted into the inputs.
    serial_out : Out(1)
        What the outputs were, folded.
    """

    def __init__(self, component: wiring.Component) -> None:
        self._component = component
        super().__init__({"serial_in": In(1), "serial_out": Out(1)})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.wrapped = self._component
        inputs, outputs = _bits(self._component, In), _bits(self._component, Out)
        way_in = Signal(len(inputs), reset_less=True)
        seen = Signal(len(outputs), reset_less=True)
        folds = [seen[first : first + FOLDED].xor() for first in range(0, len(seen), FOLDED)]
        way_out = Signal(len(folds), reset_less=True)
        m.d.sync += [
            way_in.eq(Cat(self.serial_in, way_in)),
            seen.eq(outputs),
            way_out.eq(Cat(folds) ^ (way_out << 1)),
        ]
        m.d.comb += [inputs.eq(way_in), self.serial_out.eq(way_out[-1])]
        return m


def _bits(component: wiring.Component, flow: wiring.Flow) -> Value:
    """All ports of one direction, one after another."""
    ports = (
        value.as_value() if isinstance(value, ValueCastable) else value
        for _, member, value in component.signature.flatten(component)
        if member.flow == flow
    )
    return Cat(ports)
