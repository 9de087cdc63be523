"""The engine: everything between the weight streams and the outputs of a tile."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa import registers
from shiftbook.golden.isa.registers import Region
from shiftbook.golden.spec import ACTIVATION_WIDTH, MAX_RING, PARTIAL_WIDTH, Spec
from shiftbook.hw.engine.control import Control, counters
from shiftbook.hw.engine.drain import Drain
from shiftbook.hw.engine.grid import Grid
from shiftbook.hw.engine.huffman import CodeTable
from shiftbook.hw.engine.layouts import addressing, config_word, struct, tile_write
from shiftbook.hw.engine.register_file import RegisterFile
from shiftbook.hw.engine.slot import Slot


class Engine(wiring.Component):
    """One tile after another, from coded weights to 8-bit outputs.

    Each tile takes all streams of a layer from their beginning. Words that a stream still offers when a
    tile is over belong to nobody: the decoders read a little ahead, and whoever feeds the streams drops
    what they left.

    Parameters
    ----------
    spec
        Grid, slots, lane, feed and all widths.

    Members
    -------
    config : In(stream)
        Struct {address: 17, data: 32}, always ready; see `golden.isa.registers`. While ``idle``, but for
        the registers of ``addressing``.
    clear : In(1)
        Strobe: forget everything but the configuration, the banks and the counters.
    clear_counters : In(1)
        Strobe: counters become 0.
    begin : In(1)
        Strobe: the banks are read as ``addressing`` says now, until the next time. Only while not ``busy``.
    start : In(1)
        Strobe: begin a tile. Only while not ``busy``.
    column : In(3)
        Number of the tile's own column of blocks, modulo the largest ring; from the cycle after ``start`` to
        the next one.
    busy : Out(1)
        From the cycle after ``start`` until all output channels of the tile are committed.
    idle : Out(1)
        Not busy, and all outputs have left.
    gaps : In(stream).array(slots)
        Words of the gap streams; not there with a dense feed. Taken only while busy.
    codes : In(stream).array(slots)
        Words of the code streams (dense feed: raw int8 weights). Taken only while busy.
    channels : In(stream)
        Struct {bias: signed, multiplier, shift} of each output channel, taken at its commit.
    addressing : Out(StructLayout)
        How the banks are written; see `hw.engine.layouts.addressing`.
    write : In(StructLayout)
        See `hw.engine.layouts.tile_write`; nothing where no slot is named.
    room : In(1)
        The beats of another output channel can be taken.
    residual_ready : In(1)
        The residuals of another output channel are there.
    commit : Out(1)
        Strobe: the beats of an output channel will come.
    partial_out : Out(1)
        Beats are bytes of partial sums, in rounds over all lanes; a constant of the layer.
    take_residual : Out(1)
        In the next cycle ``residual`` and ``partial`` must be the next beat.
    last_round : Out(1)
        They are not needed again; while ``take_residual``.
    residual : In(ArrayLayout)
        A beat of residuals, ordered as outputs are; any where the layer adds none.
    partial : In(ArrayLayout)
        A beat of partial sums; 0 where the layer adds none.
    valid : Out(1)
        ``beat`` is one.
    beat : Out(8 * requantizers)
        Outputs: byte q of beat j is lane ``j * requantizers + q``.
    output_channels : Out(channel_counter_width)
        Of the layer that is configured.
    issuing : Out(1)
        A slot issues a row.
    counters : Out(StructLayout)
        See `hw.engine.control.counters`.
    bad_code : Out(1)
        A slot needed a word that no code has.

    Latency
    -------
    ``spec.start_cycles`` from ``start`` to the first row.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        word = stream.Signature(spec.word_width)
        members = {
            "config": In(stream.Signature(config_word(), always_ready=True)),
            "clear": In(1),
            "clear_counters": In(1),
            "begin": In(1),
            "start": In(1),
            "column": In(MAX_RING),
            "busy": Out(1),
            "idle": Out(1),
            "gaps": In(word).array(spec.slots),
            "codes": In(word).array(spec.slots),
            "channels": In(stream.Signature(struct(registers.channel_parameters(spec)))),
            "addressing": Out(addressing()),
            "write": In(tile_write(spec)),
            "room": In(1),
            "residual_ready": In(1),
            "commit": Out(1),
            "partial_out": Out(1),
            "take_residual": Out(1),
            "last_round": Out(1),
            "residual": In(data.ArrayLayout(ACTIVATION_WIDTH, spec.requantizers)),
            "partial": In(data.ArrayLayout(PARTIAL_WIDTH, spec.requantizers)),
            "valid": Out(1),
            "beat": Out(ACTIVATION_WIDTH * spec.requantizers),
            "output_channels": Out(spec.channel_counter_width),
            "issuing": Out(1),
            "counters": Out(counters()),
            "bad_code": Out(1),
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
        self.reading = Signal(addressing(), reset_less=True)
        with m.If(self.begin):
            m.d.sync += self.reading.eq(self.addressing)
        slots = [Slot(spec) for _ in range(spec.slots)]
        for number, slot in enumerate(slots):
            m.submodules[f"slot_{number}"] = slot
            self._join_slot(m, number, slot, file, control)
        m.d.comb += [
            file.config.payload.eq(self.config.payload),
            file.config.valid.eq(self.config.valid),
            self.addressing.ring.eq(file.ring),
            self.addressing.halo_rows.eq(file.halo_rows),
            self.addressing.phased.eq(file.phased),
            self.addressing.half.eq(file.half),
            grid.pixels.eq(Cat(slot.pixels for slot in slots)),
            grid.rows.eq(Cat(slot.row for slot in slots)),
            grid.start.eq(control.accumulate_start),
            grid.maximum.eq(file.maximum),
        ]
        if spec.feed == "coded":
            self._join_codes(m, slots, file)
        self._join_control(m, slots, file, control)
        self._join_drain(m, file, control, grid, drain)
        return m

    def _join_slot(self, m: Module, number: int, slot: Slot, file: RegisterFile, control: Control) -> None:
        m.d.comb += [
            slot.clear.eq(control.halt),
            slot.span.eq(control.span),
            slot.reach.eq(control.reach),
            slot.advance.eq(control.advance),
            slot.channel_bits.eq(file.channel_bits),
            slot.channel_mask.eq((1 << file.channel_bits) - 1),
            slot.group.eq(control.group),
            slot.column.eq(self.column),
            slot.addressing.eq(self.reading),
            slot.write_addressing.eq(self.addressing),
            slot.enable.eq(self.write.slots[number]),
            slot.write.eq(self.write),
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

    def _join_control(self, m: Module, slots: list[Slot], file: RegisterFile, control: Control) -> None:
        m.d.comb += [
            control.clear.eq(self.clear),
            control.clear_counters.eq(self.clear_counters),
            control.start.eq(self.start),
            control.ready.eq(self.room & self.channels.valid & (self.residual_ready | ~file.residual[0])),
            self.channels.ready.eq(control.drain),
            self.commit.eq(control.drain),
            self.output_channels.eq(file.output_channels),
            self.issuing.eq(control.issue.any()),
        ]
        m.d.comb += control.partial_out.eq(file.leaving[0])
        for name in ("output_channels", "group_outputs", "group_step", "positions"):
            m.d.comb += getattr(control, name).eq(getattr(file, name))
        for name in ("over", "issue", "waiting", "bad"):
            m.d.comb += getattr(control, name).eq(Cat(getattr(slot, name) for slot in slots))
        for name in ("busy", "counters", "bad_code"):
            m.d.comb += getattr(self, name).eq(getattr(control, name))

    def _join_drain(self, m: Module, file: RegisterFile, control: Control, grid: Grid, drain: Drain) -> None:
        m.d.comb += [
            drain.clear.eq(self.clear),
            drain.commit.eq(control.drain),
            drain.parameters.eq(self.channels.payload),
            drain.begin.eq(control.drain_begin),
            drain.correction.eq(grid.correction),
            drain.heads.eq(grid.heads),
            drain.offset.eq(file.offset),
            drain.low.eq(file.clamp_low),
            drain.high.eq(file.clamp_high),
            drain.residual_multiplier.eq(file.residual_multiplier),
            drain.residual.eq(
                self.residual.as_value() & file.residual[0].replicate(len(self.residual.as_value()))
            ),
            drain.gated.eq(file.residual[1]),
            drain.multiplied.eq(file.residual[2]),
            drain.partial.eq(self.partial),
            drain.leaving.eq(file.leaving),
            self.partial_out.eq(file.leaving[0]),
            self.take_residual.eq(drain.take_residual),
            self.last_round.eq(drain.last_round),
            self.valid.eq(drain.valid),
            self.beat.eq(drain.beat),
            self.idle.eq(~control.busy & drain.idle),
        ]
        if self.spec.function_tables:
            wiring.connect(m, file.write_function, drain.write_function)
