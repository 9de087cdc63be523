"""Components that put streams around blocks without any, so that `sim.bench` can play them."""

from __future__ import annotations

from functools import cache

from amaranth import Cat, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.hdl import Const, ShapeLike, ValueCastable
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa import registers
from shiftbook.golden.isa.registers import OFFSET_WIDTH, Leaving, Region
from shiftbook.golden.model.function_table import ENTRIES
from shiftbook.golden.spec import PARTIAL_BYTES, PARTIAL_WIDTH, RESIDUAL_WIDTH, Spec
from shiftbook.hw.engine.bit_reader import BitReader
from shiftbook.hw.engine.drain import Drain
from shiftbook.hw.engine.grid import Grid
from shiftbook.hw.engine.huffman import SYMBOLS, CodeTable, HuffmanDecoder
from shiftbook.hw.engine.issuer import Issuer
from shiftbook.hw.engine.layouts import (
    code_symbol,
    config_word,
    gap_symbol,
    plane,
    row,
    row_source_width,
    struct,
)
from shiftbook.hw.engine.register_file import RegisterFile

DEPTH = 16


def ports(block: wiring.Component, flow: wiring.Flow) -> dict[str, tuple[ShapeLike, Value]]:
    """Shape and value of every input or output, by its Verilog name."""
    found = {}
    for path, member, value in block.signature.flatten(block):
        plain = value.as_value() if isinstance(value, ValueCastable) else value
        if member.flow == flow and not isinstance(plain, Const):
            found["__".join(map(str, path))] = (member.shape, plain)
    return found


class Paced(wiring.Component):
    """A block of fixed latency: one item a cycle in, and what the outputs are for it.

    In cycles without an item all inputs are 0.

    Parameters
    ----------
    block
        The block.
    latency
        Cycles from an item to each output.
    late
        Inputs that come some cycles after the others.
    steady
        Inputs that have the same value in all items, from the cycle after the first one on.
    """

    def __init__(
        self,
        block: wiring.Component,
        latency: dict[str, int],
        late: dict[str, int] | None = None,
        steady: tuple[str, ...] = (),
    ) -> None:
        self.block = block
        self.latency = latency
        self.late = late or {}
        self.steady = steady
        inputs = {name: shape for name, (shape, _) in ports(block, In).items()}
        outputs = {name: ports(block, Out)[name][0] for name in latency}
        super().__init__(
            {
                "input": In(stream.Signature(data.StructLayout(inputs))),
                "output": Out(stream.Signature(data.StructLayout(outputs))),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.block = self.block
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=len(self.output.payload.as_value()), depth=DEPTH)
        longest = max(self.latency.values())
        accept = Signal()
        m.d.comb += [
            self.input.ready.eq(fifo.level <= DEPTH - longest - 2),
            accept.eq(self.input.valid & self.input.ready),
            fifo.w_en.eq(delayed(m, accept, longest)),
            self.output.payload.eq(fifo.r_data),
            self.output.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(self.output.ready),
        ]
        for name, (_, port) in ports(self.block, In).items():
            given = Value.cast(self.input.payload[name])
            kept = Signal.like(given)
            m.d.sync += kept.eq(Mux(accept, given, kept))
            late = delayed(m, Mux(accept, given, 0), self.late.get(name, 0))
            m.d.comb += port.eq(kept if name in self.steady else late)
        collected = [
            delayed(m, ports(self.block, Out)[name][1], longest - latency)
            for name, latency in self.latency.items()
        ]
        m.d.comb += fifo.w_data.eq(Cat(collected))
        return m


def delayed(m: Module, value: Value, cycles: int) -> Value:
    """``value`` some cycles later."""
    for _ in range(cycles):
        later = Signal(len(value))
        m.d.sync += later.eq(value)
        value = later
    return value


class ReaderBench(wiring.Component):
    """A bit reader that moves by each length of a stream and gives the window before it."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "words": In(stream.Signature(spec.word_width)),
                "lengths": In(stream.Signature(range(spec.code_length + 1))),
                "windows": Out(stream.Signature(spec.code_length)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.reader = reader = BitReader(self.spec)
        wiring.connect(m, wiring.flipped(self.words), reader.words)
        m.d.comb += [
            self.windows.payload.eq(reader.window),
            self.windows.valid.eq(reader.valid & self.lengths.valid),
            self.lengths.ready.eq(reader.valid & self.windows.ready),
            reader.take.eq(self.windows.valid & self.windows.ready),
            reader.length.eq(self.lengths.payload),
        ]
        return m


class DecoderBench(wiring.Component):
    """Code table and decoder, written through the register file; decodes after ``writes`` writes.

    It is cleared for a cycle after ``clear_after`` symbols were taken, unless that is None.
    """

    def __init__(self, spec: Spec, code: Region, writes: int, clear_after: int | None = None) -> None:
        self.spec = spec
        self.code = code
        self.writes = writes
        self.clear_after = clear_after
        self.decoder = HuffmanDecoder(spec, code)
        super().__init__(
            {
                "config": In(stream.Signature(config_word(), always_ready=True)),
                "words": In(stream.Signature(spec.word_width)),
                "symbols": Out(self.decoder.symbols.signature),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.file = file = RegisterFile(self.spec)
        m.submodules.table = table = CodeTable(self.spec, self.code)
        m.submodules.decoder = decoder = self.decoder
        left = Signal(range(self.writes + 1), init=self.writes)
        m.d.sync += left.eq(left - self.config.valid)
        m.d.comb += [
            file.config.payload.eq(self.config.payload),
            file.config.valid.eq(self.config.valid),
            decoder.clear.eq(left != 0),
            decoder.limits.eq(table.limits),
            decoder.offsets.eq(table.offsets),
        ]
        if self.code == Region.CODE_CODE:
            m.d.comb += decoder.books.eq(file.books)
        wiring.connect(m, getattr(file, f"write_{self.code.name.lower()}"), table.write)
        wiring.connect(m, getattr(file, f"write_{SYMBOLS[self.code].name.lower()}"), decoder.write)
        wiring.connect(m, wiring.flipped(self.words), decoder.words)
        wiring.connect(m, decoder.symbols, wiring.flipped(self.symbols))
        if self.clear_after is not None:
            taken = Signal(range(self.clear_after + 2))
            with m.If(taken == self.clear_after):
                m.d.comb += [decoder.clear.eq(1), self.symbols.valid.eq(0)]
                m.d.sync += taken.eq(self.clear_after + 1)
            with m.Elif(taken < self.clear_after):
                m.d.sync += taken.eq(taken + (self.symbols.valid & self.symbols.ready))
        return m


class IssuerBench(wiring.Component):
    """An issuer that advances as soon as it is over, and lists what it issues with its output channel."""

    def __init__(self, spec: Spec, outputs: int) -> None:
        self.spec = spec
        self.outputs = outputs
        self.issuer = Issuer(spec)
        members = {
            "positions": In(spec.position_width),
            "codes": In(stream.Signature(code_symbol(spec))),
            "issued": Out(
                stream.Signature(
                    data.StructLayout(
                        {"channel": 8, "position": spec.position_width, "row": row_source_width(spec)}
                    )
                )
            ),
        }
        if spec.feed == "coded":
            members |= {
                "gapless": In(1),
                "step": In(registers.register_fields(spec)[registers.Register.STEP].width),
                "gaps": In(stream.Signature(gap_symbol(spec))),
            }
        super().__init__(members)

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.issuer = issuer = self.issuer
        width = len(self.issued.payload.as_value())
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=width, depth=4096)  # all of it
        begun = Signal(8)
        m.d.sync += begun.eq(begun + issuer.advance)
        m.d.comb += [
            issuer.span.eq(Mux(begun == 0, 0, self.positions)),
            issuer.reach.eq(Mux(begun == 0, self.positions, self.positions << 1)),
            issuer.advance.eq(issuer.over & (begun != self.outputs)),
            fifo.w_en.eq(issuer.issue),
            fifo.w_data.eq(Cat((begun + issuer.advance)[:8], issuer.position, issuer.row)),
            self.issued.payload.eq(fifo.r_data),
            self.issued.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(self.issued.ready),
        ]
        wiring.connect(m, wiring.flipped(self.codes), issuer.codes)
        if self.spec.feed == "coded":
            m.d.comb += [issuer.gapless.eq(self.gapless), issuer.step.eq(self.step)]
            wiring.connect(m, wiring.flipped(self.gaps), issuer.gaps)
        return m


class GridBench(wiring.Component):
    """A grid whose heads are taken in the ``drain_cycles`` cycles after each start, corrected.

    An item's start reaches the grid a cycle after its rows.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        item = {
            "pixels": data.ArrayLayout(plane(spec), spec.slots),
            "rows": data.ArrayLayout(row(spec), spec.slots),
            "start": 1,
        }
        self.beat = data.ArrayLayout(spec.accumulator_width, spec.requantizers)
        super().__init__(
            {
                "input": In(stream.Signature(data.StructLayout(item))),
                "maximum": In(1),
                "beats": Out(stream.Signature(self.beat)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.grid = grid = Grid(self.spec)
        width = len(self.beats.payload.as_value())
        cycles = self.spec.drain_cycles
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=width, depth=4 * cycles)
        left = Signal(range(cycles + 1))
        correction = Signal(self.spec.accumulator_width)
        item = self.input.payload
        accept = Signal()
        m.d.comb += [
            self.input.ready.eq(~item.start | (left <= 1) & (fifo.level <= 2 * cycles)),
            accept.eq(self.input.valid & self.input.ready),
            grid.start.eq(delayed(m, accept & item.start, 1)),
            grid.maximum.eq(self.maximum),
            grid.pixels.eq(item.pixels),
            grid.rows.eq(Mux(accept, item.rows.as_value(), 0)),
            fifo.w_en.eq(delayed(m, left != 0, 1)),
            fifo.w_data.eq(Cat((head + correction)[: len(head)] for head in grid.heads)),
            self.beats.payload.eq(fifo.r_data),
            self.beats.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(self.beats.ready),
        ]
        with m.If(grid.start):
            m.d.sync += correction.eq(grid.correction)
        with m.If(accept & item.start):
            m.d.sync += left.eq(cycles)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        return m


class DrainBench(wiring.Component):
    """A drain that gets channel after channel: parameters, correction, and all beats of heads and residuals.

    Channels are committed as close to each other as their beats allow. Residuals and partial sums are there
    in the cycle after they were asked for, and in no other. Before the first channel come the entries of the
    function table. ``wrong``: the drain called itself idle while a channel was on its way, or busy while none
    was.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.drain = Drain(spec)
        heads = data.ArrayLayout(spec.accumulator_width, spec.requantizers)
        residuals = data.ArrayLayout(8, spec.requantizers)
        partials = data.ArrayLayout(PARTIAL_WIDTH, spec.requantizers)
        item = {
            "parameters": struct(registers.channel_parameters(spec)),
            "correction": spec.accumulator_width,
            "beats": data.ArrayLayout(heads, spec.drain_cycles),
            "residuals": data.ArrayLayout(residuals, spec.drain_cycles),
            "partials": data.ArrayLayout(partials, spec.drain_cycles),
        }
        output = data.StructLayout({"beat": 8 * spec.requantizers, "wrong": 1})
        members = {
            "channels": In(stream.Signature(data.StructLayout(item))),
            "offset": In(signed(OFFSET_WIDTH)),
            "residual_multiplier": In(RESIDUAL_WIDTH),
            "low": In(8),
            "high": In(8),
            "leaving": In(self.drain.leaving.shape()),
            "gated": In(1),
            "multiplied": In(1),
            "output": Out(stream.Signature(output)),
        }
        if spec.function_tables:
            members["entries"] = In(stream.Signature(data.StructLayout({"index": 8, "data": 8})))
        super().__init__(members)

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.drain = drain = self.drain
        cycles, lookup = self.spec.drain_cycles, self.spec.accumulate_cycles
        m.submodules.fifo = fifo = SyncFIFOBuffered(
            width=len(self.output.payload.as_value()), depth=16 * cycles
        )
        item = self.channels.payload
        beats = Mux(self.leaving == Leaving.PARTIAL_SUMS, PARTIAL_BYTES * cycles, cycles)
        filled = self._fill(m)
        timer = Signal(range(PARTIAL_BYTES * cycles + 1))
        accept = Signal()
        pending = Signal(range(16 * cycles))  # beats of committed channels that did not come
        m.d.comb += [
            accept.eq(self.channels.valid & (timer == 0) & (fifo.level < 8 * cycles) & filled),
            self.channels.ready.eq(accept),
            drain.commit.eq(accept),
            drain.parameters.eq(Mux(accept, item.parameters.as_value(), 0)),
            drain.begin.eq(delayed(m, accept, lookup)),
            drain.offset.eq(self.offset),
            drain.low.eq(self.low),
            drain.high.eq(self.high),
            drain.residual_multiplier.eq(self.residual_multiplier),
            drain.leaving.eq(self.leaving),
            drain.gated.eq(self.gated),
            drain.multiplied.eq(self.multiplied),
        ]
        m.d.sync += timer.eq(Mux(accept, beats - 1, Mux(timer == 0, 0, timer - 1)))
        m.d.sync += pending.eq(pending + Mux(accept, beats, 0) - drain.valid)
        late = data.View(item.shape(), delayed(m, item.as_value(), lookup))
        held = Signal(item.shape())
        beat, taken, asked = Signal(range(cycles)), Signal(range(cycles)), Signal()
        given = Signal(range(cycles))
        m.d.comb += [
            drain.correction.eq(Mux(drain.begin, late.correction, 0)),
            drain.heads.eq(held.beats[beat]),
            drain.residual.eq(Mux(asked, held.residuals[given].as_value(), ~0)),
            drain.partial.eq(Mux(asked, held.partials[given].as_value(), ~0)),
        ]
        m.d.sync += [
            beat.eq(Mux(drain.begin | (beat == cycles - 1), 0, beat + 1)),
            asked.eq(drain.take_residual),
            given.eq(taken),
        ]
        with m.If(drain.begin):
            m.d.sync += held.eq(late)
        with m.If(drain.take_residual):
            m.d.sync += taken.eq(Mux(taken == cycles - 1, 0, taken + 1))
        wrong = Signal()
        m.d.sync += wrong.eq(wrong | (drain.idle != (pending == 0)))
        m.d.comb += [
            fifo.w_en.eq(drain.valid),
            fifo.w_data.eq(Cat(drain.beat, wrong)),
            self.output.payload.eq(fifo.r_data),
            self.output.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(self.output.ready),
        ]
        return m

    def _fill(self, m: Module) -> Value:
        """Write the function table; whether it is, or none is looked up."""
        if not self.spec.function_tables:
            return Const(1)
        entries, write = self.entries, self.drain.write_function
        filled = Signal()
        m.d.comb += [
            entries.ready.eq(1),
            write.enable.eq(entries.valid),
            write.index.eq(entries.payload.index),
            write.data.eq(entries.payload.data),
        ]
        with m.If(entries.valid & (entries.payload.index == ENTRIES - 1)):
            m.d.sync += filled.eq(1)
        return filled | (self.leaving != Leaving.FUNCTION)


decoder_bench = cache(DecoderBench)
drain_bench = cache(DrainBench)
grid_bench = cache(GridBench)
issuer_bench = cache(IssuerBench)
"""The same bench for the same arguments, so that `sim.bench` converts it once."""
