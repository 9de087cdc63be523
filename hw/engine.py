"""The engine: everything between the weight streams and the output stream."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.spec import Spec
from hw import registers
from hw.control import COUNTER_WIDTH, Control
from hw.drain import Drain
from hw.grid import Grid
from hw.huffman import CodeTable
from hw.layouts import config_word, struct, tile_word
from hw.register_file import RegisterFile
from hw.registers import Region
from hw.slot import Slot


class Engine(wiring.Component):
    """One layer of one tile at a time, from coded weights to 8-bit outputs.

    Words that a stream still offers when a layer is done belong to nobody: the decoders read a little
    ahead, and the host drops what they left before it starts the next layer.

    Parameters
    ----------
    spec
        Grid, slots, lane, feed and all widths.

    Members
    -------
    config : In(stream)
        Struct {address: 16, data: 32}, always ready; see `hw.registers`. While idle.
    start : In(1)
        Strobe: begin a layer. While busy it abandons the layer and begins anew, from a clean state.
    busy : Out(1)
        From the cycle after ``start`` until all outputs of the layer were taken.
    done : Out(1)
        Strobe in the last busy cycle.
    gaps : In(stream).array(slots)
        Words of the gap streams; not there with a dense feed. Taken only while busy.
    codes : In(stream).array(slots)
        Words of the code streams (dense feed: raw int8 weights). Taken only while busy.
    channels : In(stream)
        Struct {bias: signed, multiplier, shift} of each output channel, taken at its commit.
    tile : In(stream)
        Struct {slot_mask, address, plane}, always ready; goes to the banks of the masked slots. While idle.
    output : Out(stream)
        ``requantizers`` bytes a beat; beat j byte q is lane ``q * drain_cycles + j``.
    cycles : Out(32)
        Busy cycles of this or the last layer.
    terms : Out(32)
        Codebook rows issued on all slots.
    stalls : Out(32)
        Cycles in which a stream, the channel parameters or the output kept a slot waiting.
    error : Out(2)
        1 after a code word that no code has, until the next ``start``.

    Latency
    -------
    ``spec.start_cycles`` from ``start`` to the first row, ``spec.tail_cycles`` from the last row to ``done``.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        word = stream.Signature(spec.word_width)
        members = {
            "config": In(stream.Signature(config_word(), always_ready=True)),
            "start": In(1),
            "busy": Out(1),
            "done": Out(1),
            "gaps": In(word).array(spec.slots),
            "codes": In(word).array(spec.slots),
            "channels": In(stream.Signature(struct(registers.channel_parameters(spec)))),
            "tile": In(stream.Signature(tile_word(spec), always_ready=True)),
            "output": Out(stream.Signature(8 * spec.requantizers)),
            "cycles": Out(COUNTER_WIDTH),
            "terms": Out(COUNTER_WIDTH),
            "stalls": Out(COUNTER_WIDTH),
            "error": Out(2),
        }
        if spec.feed == "dense":
            del members["gaps"]
        super().__init__(members)

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        spec = self.spec
        m.submodules.registers = file = RegisterFile(spec)
        m.submodules.control = control = Control(spec)
        m.submodules.grid = grid = Grid(spec)
        m.submodules.drain = drain = Drain(spec)
        slots = [Slot(spec) for _ in range(spec.slots)]
        for number, slot in enumerate(slots):
            m.submodules[f"slot_{number}"] = slot
            self._join_slot(m, number, slot, file, control)
        m.d.comb += [
            file.config.payload.eq(self.config.payload),
            file.config.valid.eq(self.config.valid),
            grid.pixels.eq(Cat(slot.pixels for slot in slots)),
            grid.rows.eq(Cat(slot.row for slot in slots)),
            grid.start.eq(control.accumulate_start),
        ]
        if spec.feed == "coded":
            self._join_codes(m, slots, file)
        self._join_control(m, slots, file, control, drain)
        self._join_drain(m, file, control, grid, drain)
        return m

    def _join_slot(self, m: Module, number: int, slot: Slot, file: RegisterFile, control: Control) -> None:
        tile = self.tile.payload
        m.d.comb += [
            slot.clear.eq(control.clear),
            slot.positions.eq(file.positions),
            slot.span.eq(control.span),
            slot.advance.eq(control.advance),
            slot.channel_bits.eq(file.channel_bits),
            slot.channel_mask.eq((1 << file.channel_bits) - 1),
            slot.sub_blocks.eq(file.channel_shift[1]),
            slot.write_tile.eq(self.tile.valid & tile.slot_mask[number]),
            slot.tile_address.eq(tile.address),
            slot.tile_plane.eq(tile.plane),
        ]
        wiring.connect(m, file.write_taps[number], slot.write_taps)
        wiring.connect(m, wiring.flipped(self.codes[number]), slot.codes)
        if self.spec.feed == "coded":
            wiring.connect(m, wiring.flipped(self.gaps[number]), slot.gaps)

    def _join_codes(self, m: Module, slots: list[Slot], file: RegisterFile) -> None:
        """Code tables, shared by all slots, and the memories that all slots write together."""
        for name, code in (("gap", Region.GAP_CODE), ("code", Region.CODE_CODE)):
            m.submodules[f"{name}_table"] = table = CodeTable(self.spec, code)
            wiring.connect(m, getattr(file, f"write_{name}_code"), table.write)
            for slot in slots:
                m.d.comb += [
                    getattr(slot, f"{name}_limits").eq(table.limits),
                    getattr(slot, f"{name}_offsets").eq(table.offsets),
                ]
        for slot in slots:
            for name in ("gapless", "step", "books", "offset_shift"):
                m.d.comb += getattr(slot, name).eq(getattr(file, name))
            for name in ("write_gap_symbols", "write_code_symbols", "write_rows"):
                source, port = getattr(file, name), getattr(slot, name)
                m.d.comb += [
                    port.enable.eq(source.enable),
                    port.index.eq(source.index),
                    port.data.eq(source.data),
                ]

    def _join_control(
        self, m: Module, slots: list[Slot], file: RegisterFile, control: Control, drain: Drain
    ) -> None:
        m.d.comb += [
            control.start.eq(self.start),
            control.output_channels.eq(file.output_channels),
            control.positions.eq(file.positions),
            control.ready.eq(drain.room & self.channels.valid),
            control.empty.eq(drain.empty),
            self.channels.ready.eq(control.drain),
        ]
        for name in ("over", "issue", "waiting", "bad"):
            m.d.comb += getattr(control, name).eq(Cat(getattr(slot, name) for slot in slots))
        for name in ("busy", "done", "cycles", "terms", "stalls", "error"):
            m.d.comb += getattr(self, name).eq(getattr(control, name))

    def _join_drain(self, m: Module, file: RegisterFile, control: Control, grid: Grid, drain: Drain) -> None:
        m.d.comb += [
            drain.clear.eq(control.clear),
            drain.reserve.eq(control.drain),
            drain.parameters.eq(self.channels.payload),
            drain.begin.eq(control.drain_begin),
            drain.correction.eq(grid.correction),
            drain.heads.eq(grid.heads),
            drain.zero_point.eq(file.zero_point),
            drain.low.eq(file.clamp_low),
            drain.high.eq(file.clamp_high),
        ]
        wiring.connect(m, drain.output, wiring.flipped(self.output))
