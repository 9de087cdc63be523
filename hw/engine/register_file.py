"""The host's side of the address map: layer registers, and write strobes for the memories."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa import registers
from shiftbook.golden.isa.registers import Region
from shiftbook.golden.spec import Spec
from shiftbook.hw.engine.layouts import config_word, memory_write, shape


class RegisterFile(wiring.Component):
    """Decodes writes, see `golden.isa.registers`.

    Parameters
    ----------
    spec
        Regions and widths.

    Members
    -------
    config : In(stream)
        Struct {address, data}, always ready.
    positions : Out(position_width)
        Register.
    channel_bits : Out(4)
        Register.
    ring : Out(3)
        Register.
    halo_rows : Out(1)
        Register.
    phased : Out(1)
        Register.
    output_channels : Out(channel_counter_width)
        Register.
    group_outputs : Out(channel_counter_width)
        Register.
    group_step : Out(address_width)
        Register.
    maximum : Out(1)
        Register.
    offset : Out(20)
        Register; signed.
    clamp_low : Out(8)
        Register.
    clamp_high : Out(8)
        Register.
    residual : Out(2)
        Register.
    residual_multiplier : Out(10)
        Register.
    leaving : Out(2)
        Register, a value of `golden.isa.registers.Leaving`; one bit without function tables.
    gapless : Out(1)
        Register.
    half : Out(2)
        Register.
    step : Out(5)
        Register. Not there with a dense feed.
    books : Out(2)
        Register. Not there with a dense feed.
    offset_shift : Out(4)
        Register. Not there with a dense feed.
    write_taps : Out(Signature).array(slots)
        Tap table of each slot.
    write_gap_code : Out(Signature)
        Gap code table. Not there with a dense feed.
    write_code_code : Out(Signature)
        Code table. Not there with a dense feed.
    write_gap_symbols : Out(Signature)
        Gap symbols of all slots. Not there with a dense feed.
    write_code_symbols : Out(Signature)
        Code symbols of all slots. Not there with a dense feed.
    write_rows : Out(Signature)
        Codebooks of all slots. Not there with a dense feed.
    write_function : Out(Signature)
        Function tables of all requantizers. With ``Spec.function_tables`` only.

    Latency
    -------
    Registers show a word one cycle after it was written; memory writes leave in the same cycle.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        members = {"config": In(stream.Signature(config_word(), always_ready=True))}
        for register, field in registers.register_fields(spec).items():
            members[register.name.lower()] = Out(shape(field))
        members["write_taps"] = Out(memory_write(spec, Region.TAPS)).array(spec.slots)
        for region in self._memories():
            members[f"write_{region.name.lower()}"] = Out(memory_write(spec, region))
        super().__init__(members)

    def _memories(self) -> list[Region]:
        return [region for region in registers.layouts(self.spec) if region != Region.TAPS]

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        word = self.config.payload
        index = word.address[: registers.INDEX_WIDTH]
        region = word.address[registers.INDEX_WIDTH :]
        for register, field in registers.register_fields(self.spec).items():
            value = Signal(shape(field), name=field.name, reset_less=True)
            with m.If(self.config.valid & (region == Region.REGISTERS) & (index == register)):
                m.d.sync += value.eq(word.data)
            m.d.comb += getattr(self, register.name.lower()).eq(value)
        for memory in self._memories():
            port = getattr(self, f"write_{memory.name.lower()}")
            m.d.comb += [
                port.enable.eq(self.config.valid & (region == memory)),
                port.index.eq(index),
                port.data.eq(word.data),
            ]
        for slot, port in enumerate(self.write_taps):
            first = slot * self.spec.table_entries
            # entries of a slot need not begin at a power of two
            inside = (index >= first) & (index < first + self.spec.table_entries)
            m.d.comb += [
                port.enable.eq(self.config.valid & (region == Region.TAPS) & inside),
                port.index.eq(index - first),
                port.data.eq(word.data),
            ]
        return m
