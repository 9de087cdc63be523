"""What stands around parts of the accelerator: the bus, the engine, and logs of what happened."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.spec import PARTIAL_BYTES, PARTIAL_WIDTH, Spec
from hw import registers
from hw.drain import Drain
from hw.fifo import Fifo
from hw.layouts import config_word, plane, tap_offset
from hw.register_file import RegisterFile
from hw.registers import Region
from hw.system.accelerator import SEGMENTS
from hw.system.host_port import HostPort
from hw.system.interfaces import ADDRESS_WIDTH, LENGTH_WIDTH, Reader, answer, beat_address_width, stream_count
from hw.system.layer_registers import LayerRegisters
from hw.system.load_planner import NEEDS, LoadPlanner
from hw.system.load_writer import LoadWriter
from hw.system.read_master import ReadMaster
from hw.system.residual_reader import ResidualReader
from hw.system.segments import segment
from hw.system.sequencer import WORD_WIDTH, Command, Sequencer
from hw.system.store import Store
from hw.system.stream_buffer import StreamBuffer
from hw.system.stream_fetcher import FEW, StreamFetcher
from hw.system.tile_control import TileControl
from hw.tile import Tile
from tests.hw.benches import delayed

COUNT = 16
"""Bits of what benches count."""


def log(m: Module, name: str, port: stream.Interface, item: Value, strobe: Value, depth: int = 4096) -> None:
    """Give an item to an output stream each time that ``strobe`` is 1."""
    m.submodules[f"log_{name}"] = fifo = SyncFIFOBuffered(width=len(Value.cast(item)), depth=depth)
    m.d.comb += [
        fifo.w_en.eq(strobe),
        fifo.w_data.eq(item),
        port.payload.eq(fifo.r_data),
        port.valid.eq(fifo.r_rdy),
        fifo.r_en.eq(port.ready),
    ]


def unsteady(m: Module, port: stream.Interface) -> Signal:
    """Whether what was offered and not taken was ever withdrawn or changed."""
    wrong, waited = Signal(), Signal()
    before = Signal(len(Value.cast(port.payload)))
    m.d.sync += [
        waited.eq(port.valid & ~port.ready),
        before.eq(port.payload),
        wrong.eq(wrong | (waited & (~port.valid | (Value.cast(port.payload) != before)))),
    ]
    return wrong


def out(layout: dict[str, ShapeLike]) -> wiring.Member:
    """An output stream of a struct."""
    return Out(stream.Signature(data.StructLayout(layout)))


def into(layout: dict[str, ShapeLike]) -> wiring.Member:
    """An input stream of a struct."""
    return In(stream.Signature(data.StructLayout(layout)))


class StreamBench(wiring.Component):
    """A stream buffer with who asks for its beats and who takes its words.

    Layer n begins with a clear when its predecessor is over. ``bursts`` are asked for when there is room,
    and their ``beats`` come later. Of each of ``passes`` ``take`` words are taken; where that is
    ``whole``, a reader stays some cycles more, and would take what is beyond the end. ``wrong``: the
    buffer called itself empty while beats were on their way.
    """

    def __init__(self, spec: Spec, word_width: int) -> None:
        self.spec = spec
        self.word_width = word_width
        super().__init__(
            {
                "keeps": In(stream.Signature(1)),
                "bursts": into({"beats": range(spec.burst_beats + 1), "layer": 8}),
                "beats": into({"data": 8 * spec.bus_bytes, "last": 1}),
                "passes": into({"take": COUNT, "linger": 4, "whole": 1, "layer": 8}),
                "words": out({"word": word_width, "wrong": 1}),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.buffer = buffer = StreamBuffer(self.spec, self.word_width)
        layer, keep, busy, wrong = Signal(8), Signal(), Signal(), Signal()
        outstanding, left, linger = Signal(COUNT), Signal(COUNT), Signal(4)
        whole = Signal()
        asked, allowed, begins = Signal(), Signal(), Signal()
        burst, following = self.bursts.payload, self.passes.payload
        m.d.comb += [
            begins.eq(
                self.keeps.valid
                & self.bursts.valid
                & (burst.layer != layer)
                & self.passes.valid
                & (following.layer != layer)
                & (outstanding == 0)
                & ~busy
                & ((layer == 0) | keep | buffer.empty)
            ),
            self.keeps.ready.eq(begins),
            buffer.clear.eq(begins),
            buffer.keep.eq(keep),
            asked.eq(self.bursts.valid & (burst.layer == layer) & buffer.room),
            self.bursts.ready.eq(asked),
            buffer.reserve.eq(Mux(asked, burst.beats, 0)),
            self.beats.ready.eq(outstanding != 0),
            buffer.write.eq(self.beats.valid & self.beats.ready),
            buffer.data.eq(self.beats.payload.data),
            buffer.last.eq(self.beats.payload.last),
            buffer.start.eq(self.passes.valid & (following.layer == layer) & buffer.aligned & ~busy),
            buffer.stop.eq(~busy),
            self.passes.ready.eq(buffer.start),
            allowed.eq(busy & ((left != 0) | whole)),
            self.words.valid.eq(buffer.words.valid & allowed),
            self.words.payload.word.eq(buffer.words.payload),
            self.words.payload.wrong.eq(wrong),
            buffer.words.ready.eq(self.words.ready & allowed),
        ]
        moved = self.words.valid & self.words.ready & (left != 0)
        m.d.sync += [
            outstanding.eq(outstanding + buffer.reserve - buffer.write),
            wrong.eq(wrong | ((outstanding != 0) & buffer.empty)),
            left.eq(left - moved),
        ]
        with m.If(begins):
            m.d.sync += [layer.eq(layer + 1), keep.eq(self.keeps.payload)]
        with m.If(buffer.start):
            m.d.sync += [
                busy.eq(1),
                left.eq(following.take),
                linger.eq(following.linger),
                whole.eq(following.whole),
            ]
        with m.Elif(busy & (left == 0)):
            m.d.sync += [linger.eq(linger - 1), busy.eq(linger != 0)]
        return m


class StoreBench(wiring.Component):
    """A store with the engine's drain before it and memory behind it.

    Each of ``outputs`` is a channel in memory; with ``partial`` as many as a partial sum has bytes are
    committed together. ``layers`` follow one another when all is sent and acknowledged;
    then ``over`` tells how many beats were written when the store said that all was sent, and in the end.
    ``wrong``: a valid payload changed, the store called itself quiet while a burst was not acknowledged,
    or passed on another response.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.store = Store(spec)
        address = beat_address_width(spec)
        super().__init__(
            {
                "layers": into(
                    {
                        "channels": spec.channel_counter_width,
                        "tiles": COUNT,
                        "address": address,
                        "block_step": address,
                        "beat_step": COUNT,
                        "partial": 1,
                    }
                ),
                "outputs": In(stream.Signature(data.ArrayLayout(8 * spec.requantizers, spec.drain_cycles))),
                "acks": In(stream.Signature(2)),
                "write_address": Out(self.store.write_address.signature),
                "write_data": Out(self.store.write_data.signature),
                "over": out({"sent": COUNT, "beats": COUNT, "wrong": 1}),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.store = store = self.store
        layer = self.layers.payload
        running, begun = Signal(), Signal()
        left = Signal(COUNT)
        m.d.comb += [
            store.begin.eq(self.layers.valid & ~running),
            *(getattr(store, name).eq(getattr(layer, name)) for name in ("channels", "tiles", "address")),
            *(getattr(store, name).eq(getattr(layer, name)) for name in ("block_step", "beat_step")),
            store.partial.eq(layer.partial),
        ]
        m.d.sync += begun.eq(running)
        over, told, beats = Signal(), Signal(), Signal(COUNT)
        sent = Signal(COUNT)
        wrote = Signal()
        addresses, bursts, acknowledged = Signal(COUNT), Signal(COUNT), Signal(COUNT)
        wrong = unsteady(m, store.write_address) | unsteady(m, store.write_data)
        loud = Signal()
        m.d.comb += [
            over.eq(begun & running & store.sent & store.quiet),
            self.layers.ready.eq(over),
            wrote.eq(store.write_data.valid & store.write_data.ready),
        ]
        with m.If(store.begin):
            channels = Mux(layer.partial, PARTIAL_BYTES, 1) * layer.channels
            m.d.sync += [running.eq(1), left.eq(channels * layer.tiles), beats.eq(0), told.eq(0)]
        with m.Elif(over):
            m.d.sync += [running.eq(0), begun.eq(0)]
        with m.If(wrote):
            m.d.sync += beats.eq(beats + 1)
        with m.If(begun & store.sent & ~told):
            m.d.sync += [told.eq(1), sent.eq(beats)]
        answers = (addresses != acknowledged) & (bursts != acknowledged)
        response = store.response
        m.d.comb += [
            response.valid.eq(self.acks.valid & answers),
            response.payload.resp.eq(self.acks.payload),
            self.acks.ready.eq(response.ready & answers),
        ]
        m.d.sync += [
            addresses.eq(addresses + (store.write_address.valid & store.write_address.ready)),
            bursts.eq(bursts + (wrote & store.write_data.payload.last)),
            acknowledged.eq(acknowledged + (response.valid & response.ready)),
            loud.eq(
                loud
                | (store.quiet & ((addresses != acknowledged) | store.write_address.valid))
                | (store.bad_response != Mux(response.valid, self.acks.payload, 0))
            ),
        ]
        wiring.connect(m, store.write_address, wiring.flipped(self.write_address))
        wiring.connect(m, store.write_data, wiring.flipped(self.write_data))
        self._drain(m, store, running & begun, left)
        log(m, "over", self.over, Cat(Mux(told, sent, beats), beats, wrong | loud), over, 16)
        return m

    def _drain(self, m: Module, store: Store, running: Value, left: Signal) -> None:
        cycles = self.spec.drain_cycles
        timer, number = Signal(range(cycles + 1)), Signal(range(cycles + 1))
        byte, begins = (
            Signal(range(PARTIAL_BYTES)),
            Signal(),
        )  # of a committed sum; a channel's beats will come
        held = Signal(self.outputs.payload.shape())
        late = delayed(m, self.outputs.payload.as_value(), self.spec.lookup_cycles + Drain.LATENCY - 1)
        m.d.comb += [
            begins.eq(running & self.outputs.valid & (store.room | (byte != 0)) & (timer == 0) & (left != 0)),
            store.commit.eq(begins & (byte == 0)),
            self.outputs.ready.eq(begins),
            store.valid.eq(number != 0),
            store.beat.eq(Mux(store.valid, held[(cycles - number)[: (cycles - 1).bit_length()]], 0)),
        ]
        m.d.sync += [
            timer.eq(Mux(begins, cycles - 1, Mux(timer == 0, 0, timer - 1))),
            number.eq(Mux(number == 0, 0, number - 1)),
        ]
        with m.If(begins):
            m.d.sync += [left.eq(left - 1), byte.eq(Mux(self.layers.payload.partial, byte + 1, 0))]
        with m.If(delayed(m, begins, self.spec.lookup_cycles + Drain.LATENCY - 1)):
            m.d.sync += [held.eq(late), number.eq(cycles)]


class ReadBench(wiring.Component):
    """A read master with a memory that holds in each beat its address.

    A beat of memory, with its response, takes one of ``ticks``. In each cycle with one of ``halts``
    nothing may begin. ``grants`` tells who was chosen of whom, how much of it, and what was on its way;
    ``wrong`` is there where a valid payload changed.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.reads = ReadMaster(spec)
        address = beat_address_width(spec)
        ask = {"address": address, "beats": LENGTH_WIDTH, "index": range(stream_count(spec)), "last": 1}
        super().__init__(
            {
                "asks": into(ask).array(len(Reader)),
                "ticks": In(stream.Signature(2)),
                "halts": In(stream.Signature(1)),
                "grants": out(
                    {
                        "chosen": 4,
                        "wanted": 4,
                        "halted": 1,
                        "beats": COUNT,
                        "in_flight": COUNT,
                        "bursts": COUNT,
                    }
                ),
                "bursts": Out(self.reads.address.signature),
                "answers": out({"answer": answer(spec), "resp": 2, "wrong": 1}),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.reads = reads = self.reads
        granted = Signal(COUNT)
        chosen, wanted = [], []
        for number, (ask, request) in enumerate(zip(self.asks, reads.requests, strict=True)):
            done = Signal(LENGTH_WIDTH, name=f"done_{number}")
            m.d.comb += [
                request.valid.eq(ask.valid),
                request.address.eq(ask.payload.address + done),
                request.beats.eq(ask.payload.beats - done),
                request.index.eq(ask.payload.index),
                request.last.eq(ask.payload.last),
                ask.ready.eq(request.grant & (request.granted == request.beats)),
            ]
            with m.If(request.grant):
                m.d.sync += done.eq(Mux(ask.ready, 0, done + request.granted))
                m.d.comb += granted.eq(request.granted)
            chosen.append(request.grant)
            wanted.append(request.valid)
        m.d.comb += [reads.halt.eq(self.halts.valid), self.halts.ready.eq(1)]
        wrong = self._memory(m, reads)
        ended = reads.beat & reads.read.payload.last
        in_flight, under_way = Signal(COUNT), Signal(COUNT)
        m.d.sync += [
            in_flight.eq(in_flight + granted - reads.beat),
            under_way.eq(under_way + (granted != 0) - ended),
        ]
        item = Cat(*chosen, *wanted, reads.halt, granted, in_flight, under_way)
        log(m, "grants", self.grants, item, Cat(chosen).any())
        idle = Signal()  # says so while something is under way
        m.d.sync += idle.eq(idle | (reads.idle & (under_way != 0)))
        m.d.comb += [
            self.answers.payload.answer.eq(reads.answers.payload),
            self.answers.payload.resp.eq(reads.response),
            self.answers.payload.wrong.eq(wrong | idle),
            self.answers.valid.eq(reads.answers.valid),
            reads.answers.ready.eq(self.answers.ready),
        ]
        return m

    def _memory(self, m: Module, reads: ReadMaster) -> Value:
        burst = reads.address
        m.submodules.asked = asked = SyncFIFOBuffered(width=len(burst.payload.as_value()), depth=64)
        head = data.View(burst.payload.shape(), asked.r_data)
        number = Signal(COUNT)
        read = reads.read
        m.d.comb += [
            self.bursts.payload.eq(burst.payload),
            self.bursts.valid.eq(burst.valid & asked.w_rdy),
            burst.ready.eq(self.bursts.ready & asked.w_rdy),
            asked.w_en.eq(burst.valid & burst.ready),
            asked.w_data.eq(burst.payload),
            read.valid.eq(self.ticks.valid & asked.r_rdy),
            self.ticks.ready.eq(read.ready & asked.r_rdy),
            read.payload.data.eq(head.address + number),
            read.payload.resp.eq(self.ticks.payload),
            read.payload.last.eq(number == head.more_beats),
            asked.r_en.eq(read.valid & read.ready & read.payload.last),
        ]
        with m.If(read.valid & read.ready):
            m.d.sync += number.eq(Mux(read.payload.last, 0, number + 1))
        return unsteady(m, burst)


class Bus:
    """Memory behind one reader's request: grants a burst at a time, and answers it a beat for each tick."""

    def __init__(self, m: Module, spec: Spec, contents: bytes, request: wiring.PureInterface) -> None:
        size = spec.bus_bytes
        words = [int.from_bytes(contents[i : i + size], "little") for i in range(0, len(contents), size)]
        m.submodules.contents = memory = Memory(shape=8 * size, depth=len(words), init=words)
        read = memory.read_port(domain="comb")
        self.left = Signal(range(spec.burst_beats + 1))
        self.address = Signal(beat_address_width(spec))
        self.data = read.data
        m.d.comb += [
            request.grant.eq(request.valid & (self.left == 0)),
            request.granted.eq(Mux(request.beats < spec.burst_beats, request.beats, spec.burst_beats)),
            read.addr.eq(self.address),
        ]
        with m.If(request.grant):
            m.d.sync += [self.left.eq(request.granted), self.address.eq(request.address)]

    def moved(self, m: Module, strobe: Value) -> None:
        """A beat was taken."""
        with m.If(strobe):
            m.d.sync += [self.left.eq(self.left - 1), self.address.eq(self.address + 1)]


class LoaderBench(wiring.Component):
    """The loader's halves and tile control around the banks of all slots, with memory before it.

    ``config`` is what a program writes; its `Command.LOAD` loads a layer when that before is over. While
    a tile runs, each of ``reads`` looks into the banks of all slots, until the ``last`` of the tile. A
    beat of memory takes one of ``ticks``.
    """

    def __init__(self, spec: Spec, contents: bytes) -> None:
        self.spec = spec
        self.contents = contents
        super().__init__(
            {
                "config": In(stream.Signature(config_word())),
                "ticks": In(stream.Signature(1)),
                "reads": into(
                    {
                        "address": spec.address_width,
                        "offset": tap_offset(spec),
                        "far": 1,
                        "column": 2,
                        "last": 1,
                    }
                ),
                "pixels": Out(stream.Signature(data.ArrayLayout(plane(spec), spec.slots))),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        spec = self.spec
        m.submodules.registers = registers_ = RegisterFile(spec)
        m.submodules.layer = layer = LayerRegisters(spec)
        m.submodules.tiles = tiles = TileControl(spec)
        m.submodules.planner = planner = LoadPlanner(spec)
        m.submodules.writer = writer = LoadWriter(spec)
        m.submodules.segments = segments = Fifo(segment(spec), SEGMENTS)
        wiring.connect(m, planner.segments, segments.input)
        wiring.connect(m, segments.output, writer.segments)
        bus = Bus(m, spec, self.contents, planner.request)
        begin = self._configure(m, registers_, (layer, writer), tiles)
        for register in NEEDS:
            name = register.name.lower()
            m.d.comb += getattr(planner, name).eq(getattr(layer, name))
        for name in ("strided", "scattered", "channels", "local_channels", "pad", "last_rows", "last_cols"):
            m.d.comb += getattr(writer, name).eq(getattr(layer, name))
        for name in ("first_banks", "last_banks"):
            m.d.comb += getattr(writer, name).eq(getattr(layer, name))
        for name in ("tile_rows", "tile_cols", "left", "right"):
            m.d.comb += getattr(tiles, name).eq(getattr(layer, name))
        for name in ("ring", "halo_rows", "phased"):
            m.d.comb += getattr(writer.addressing, name).eq(getattr(registers_, name))
        m.d.comb += [
            planner.begin.eq(begin),
            planner.may_load.eq(tiles.may_load),
            tiles.begin.eq(begin),
            tiles.run.eq(delayed(m, begin, 1)),
            tiles.ring.eq(registers_.ring),
            tiles.claim.eq(planner.claim),
            tiles.loaded.eq(writer.loaded),
            tiles.ready.eq(1),
            writer.beats.valid.eq(self.ticks.valid & (bus.left != 0)),
            writer.beats.payload.eq(bus.data),
            self.ticks.ready.eq(writer.beats.ready & (bus.left != 0)),
        ]
        bus.moved(m, writer.beats.valid & writer.beats.ready)
        self._read(m, tiles, writer)
        return m

    def _configure(
        self, m: Module, file: RegisterFile, units: tuple[wiring.Component, ...], tiles: TileControl
    ) -> Value:
        word, accept = self.config.payload, Signal()
        command = word.address[registers.INDEX_WIDTH :] == Region.COMMANDS
        load = command & (word.address[: registers.INDEX_WIDTH] == Command.LOAD)
        m.d.comb += [
            accept.eq(self.config.valid & tiles.over),
            self.config.ready.eq(tiles.over),
            file.config.valid.eq(accept),
            file.config.payload.eq(word),
        ]
        for unit in units:
            m.d.comb += [unit.configure.eq(accept), unit.config.eq(word)]
        begin = Signal()
        m.d.sync += begin.eq(accept & load)
        # nothing else is taken until `over` shows that the layer has begun
        with m.If(begin):
            m.d.comb += [self.config.ready.eq(0), accept.eq(0)]
        return begin

    def _read(self, m: Module, tiles: TileControl, writer: LoadWriter) -> None:
        spec, read = self.spec, self.reads.payload
        busy, taken = Signal(), Signal()
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=8 * spec.lanes * spec.slots, depth=16)
        m.d.comb += [
            tiles.busy.eq(busy),
            self.reads.ready.eq(busy & (fifo.level < 12)),
            taken.eq(self.reads.valid & self.reads.ready),
            self.pixels.payload.eq(fifo.r_data),
            self.pixels.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(self.pixels.ready),
            fifo.w_en.eq(delayed(m, taken, 1)),
        ]
        m.d.sync += busy.eq(tiles.start | (busy & ~(taken & read.last)))
        pixels = []
        for slot in range(spec.slots):
            m.submodules[f"tile_{slot}"] = tile = Tile(spec)
            m.d.comb += [
                tile.addressing.eq(writer.addressing),
                tile.enable.eq(writer.write.slots[slot]),
                tile.write.eq(writer.write),
                tile.address.eq(read.address),
                tile.offset.eq(read.offset),
                tile.far.eq(read.far),
                tile.first_column.eq(tiles.column + read.column.as_signed()),
            ]
            pixels.append(tile.pixels)
        m.d.comb += fifo.w_data.eq(Cat(pixels))


class ResidualBench(wiring.Component):
    """A residual reader between memory and a drain, which commits a channel for each of ``takes``.

    With ``rounds`` the drain takes each channel as often as a partial sum has bytes.

    ``layers`` follow one another when all their residuals are out.
    """

    def __init__(self, spec: Spec, contents: bytes) -> None:
        self.spec = spec
        self.contents = contents
        address = beat_address_width(spec)
        super().__init__(
            {
                "layers": into(
                    {
                        "channels": spec.channel_counter_width,
                        "tiles": COUNT,
                        "address": address,
                        "block_step": address,
                        "beat_step": COUNT,
                        "partial_in": 1,
                        "rounds": 1,
                    }
                ),
                "takes": In(stream.Signature(1)),
                "ticks": In(stream.Signature(1)),
                "residuals": out(
                    {
                        "residual": data.ArrayLayout(8, spec.requantizers),
                        "partial": data.ArrayLayout(PARTIAL_WIDTH, spec.requantizers),
                    }
                ),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        spec, layer, cycles = self.spec, self.layers.payload, self.spec.drain_cycles
        m.submodules.reader = reader = ResidualReader(spec)
        bus = Bus(m, spec, self.contents, reader.request)
        beats = Mux(layer.rounds, PARTIAL_BYTES * cycles, cycles)
        m.submodules.fifo = fifo = SyncFIFOBuffered(
            width=len(self.residuals.payload.as_value()), depth=16 * cycles
        )
        running, commit, over = Signal(), Signal(), Signal()
        left, awaited = Signal(COUNT), Signal(COUNT)  # channels not committed, and beats not given
        timer, taking = Signal(range(16 * cycles)), Signal(range(16 * cycles))
        m.d.comb += [
            reader.begin.eq(self.layers.valid & ~running),
            self.layers.ready.eq(over),
            over.eq(running & (awaited == 0)),
            *(getattr(reader, name).eq(getattr(layer, name)) for name in ("channels", "tiles", "address")),
            *(getattr(reader, name).eq(getattr(layer, name)) for name in ("block_step", "beat_step")),
            reader.partial_in.eq(layer.partial_in),
            reader.last_round.eq(taking <= cycles),
            commit.eq(
                running
                & reader.ready
                & self.takes.valid
                & (left != 0)
                & (timer == 0)
                & (fifo.level <= 4 * cycles)
            ),
            reader.commit.eq(commit),
            self.takes.ready.eq(commit),
            reader.take.eq(taking != 0),
            fifo.w_en.eq(delayed(m, reader.take, 1)),
            fifo.w_data.eq(Cat(reader.residual, reader.partial)),
            self.residuals.payload.eq(fifo.r_data),
            self.residuals.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(self.residuals.ready),
            reader.answered.eq(self.ticks.valid & (bus.left != 0)),
            reader.answers.reader[Reader.RESIDUAL].eq(1),
            reader.answers.data.eq(bus.data),
            self.ticks.ready.eq(bus.left != 0),
        ]
        bus.moved(m, reader.answered)
        begin = delayed(m, commit, spec.lookup_cycles)
        m.d.sync += [
            timer.eq(Mux(commit, beats - 1, Mux(timer == 0, 0, timer - 1))),
            taking.eq(Mux(begin, beats, Mux(taking == 0, 0, taking - 1))),
            left.eq(left - commit),
            awaited.eq(awaited - fifo.w_en),
        ]
        with m.If(reader.begin):
            channels = layer.channels * layer.tiles
            m.d.sync += [running.eq(1), left.eq(channels), awaited.eq(channels * beats)]
        with m.Elif(over):
            m.d.sync += running.eq(0)
        return m


class FetcherBench(wiring.Component):
    """A stream fetcher before memory; a stream has room when nothing of it is on its way, if ``rooms`` agree.

    Each of ``layers`` begins after its ``writes`` of ``config``, and is cleared after so many ``beats``. A
    cycle with one of ``ticks`` gives a beat of memory. ``wrong``: it reserved for another stream than it
    asked for, or asked for many beats where it should be sparing.
    """

    def __init__(self, spec: Spec, contents: bytes) -> None:
        self.spec = spec
        self.contents = contents
        streams, address = stream_count(spec), beat_address_width(spec)
        super().__init__(
            {
                "config": In(stream.Signature(config_word())),
                "layers": into({"writes": COUNT, "base": address, "passes": COUNT, "beats": COUNT}),
                "rooms": into({"streams": streams, "sparing": 1}),
                "ticks": In(stream.Signature(1)),
                "given": out(
                    {"streams": streams, "data": 8 * spec.bus_bytes, "last": 1, "damaged": 1, "wrong": 1}
                ),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        layer = self.layers.payload
        m.submodules.fetcher = fetcher = StreamFetcher(self.spec)
        bus, request = Bus(m, self.spec, self.contents, fetcher.request), fetcher.request
        running, over, given, wrong, ends = Signal(), Signal(), Signal(), Signal(), Signal()
        written, beats = Signal(COUNT), Signal(COUNT)
        index = Signal.like(request.index)
        under_way = Signal(stream_count(self.spec))  # what is on its way belongs to this stream
        m.d.comb += [
            self.config.ready.eq(self.layers.valid & ~running & (written != layer.writes)),
            fetcher.configure.eq(self.config.valid & self.config.ready),
            fetcher.config.eq(self.config.payload),
            fetcher.begin.eq(self.layers.valid & ~running & (written == layer.writes) & (bus.left == 0)),
            fetcher.base.eq(layer.base),
            fetcher.passes.eq(layer.passes),
            fetcher.room.eq(
                self.rooms.payload.streams & self.rooms.valid.replicate(len(under_way)) & ~under_way
            ),
            fetcher.sparing.eq(self.rooms.payload.sparing),
            self.rooms.ready.eq(1),
            under_way.eq((1 << index) & (bus.left != 0).replicate(len(under_way))),
            fetcher.answered.eq(self.ticks.valid & (bus.left != 0)),
            fetcher.answers.reader[Reader.STREAMS].eq(1),
            fetcher.answers.index.eq(index),
            fetcher.answers.last.eq(ends & (bus.left == 1)),
            fetcher.answers.data.eq(bus.data),
            self.ticks.ready.eq(1),
            given.eq(running & ~over & fetcher.answered),
            over.eq(running & (beats == layer.beats)),
            fetcher.clear.eq(over),
            self.layers.ready.eq(over),
        ]
        bus.moved(m, fetcher.answered)
        many = fetcher.sparing & (request.granted > FEW)
        with m.If(request.grant):
            m.d.sync += [
                index.eq(request.index),
                ends.eq(request.last & (request.granted == request.beats)),
                wrong.eq(wrong | (fetcher.reserve != 1 << request.index) | many),
            ]
        with m.Elif(fetcher.reserve.any()):
            m.d.sync += wrong.eq(1)
        m.d.sync += [written.eq(written + fetcher.configure), beats.eq(beats + given)]
        with m.If(fetcher.begin):
            m.d.sync += [running.eq(1), written.eq(0)]
        with m.If(over):
            m.d.sync += [running.eq(0), beats.eq(0)]
        item = Cat(fetcher.write, fetcher.answers.data, fetcher.last, fetcher.damaged, wrong)
        log(m, "given", self.given, item, given)
        return m


class HostBench(wiring.Component):
    """A host port to which ``operations`` are done one after another.

    Each sets what the port shows, an event for one cycle, and then reads or writes. What is ``seen`` is
    the answer, the strobes that came, and the registers that the accelerator gets.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.host = HostPort(spec)
        shown = ("busy", "paused", "layers", "finished", "fault", "counters")
        self.shown = {name: self.host.signature.members[name].shape for name in shown}
        operation = {"write": 1, "address": 8, "data": 32, "strb": 4, **self.shown}
        seen = {"data": 32, "resp": 2, "start": 4, "abort": 4, "go_on": 4}
        seen |= {"program": ADDRESS_WIDTH, "watchdog": 32, "pause": 1, "interrupt": 1}
        super().__init__({"operations": into(operation), "seen": out(seen)})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.host = host = self.host
        now, seen = self.operations.payload, self.seen.payload
        step = Signal(3)
        write, read = Signal(), Signal()
        m.d.comb += [
            *(getattr(host, name).eq(now[name]) for name in ("busy", "paused", "layers", "counters")),
            host.finished.eq(now.finished & (step == 1)),
            host.fault.eq(Mux(step == 1, now.fault, 0)),
            write.eq(now.write & (step == 2)),
            read.eq(~now.write & (step == 2)),
            host.write_address.valid.eq(write),
            host.write_data.valid.eq(write),
            host.write_address.payload.eq(now.address),
            host.write_data.payload.data.eq(now.data),
            host.write_data.payload.strb.eq(now.strb),
            host.read_address.valid.eq(read),
            host.read_address.payload.eq(now.address),
            self.seen.valid.eq((step == 3) & (host.write_response.valid | host.read_data.valid)),
            host.write_response.ready.eq(self.seen.ready & (step == 3)),
            host.read_data.ready.eq(self.seen.ready & (step == 3)),
            self.operations.ready.eq(self.seen.valid & self.seen.ready),
            seen.data.eq(Mux(now.write, 0, host.read_data.payload.data)),
            seen.resp.eq(Mux(now.write, host.write_response.payload, host.read_data.payload.resp)),
            seen.interrupt.eq(host.interrupt),
            *(seen[name].eq(getattr(host, name)) for name in ("program", "watchdog", "pause")),
        ]
        for name in ("start", "abort", "go_on"):
            count = Signal(4, name=f"{name}_count")
            m.d.sync += count.eq(count + getattr(host, name))
            with m.If(self.operations.ready):
                m.d.sync += count.eq(0)
            m.d.comb += seen[name].eq(count)
        with m.If(self.operations.ready):
            m.d.sync += step.eq(0)
        with m.Elif((step < 2) & self.operations.valid):
            m.d.sync += step.eq(step + 1)
        with m.Elif(
            (write & host.write_address.ready & host.write_data.ready) | (read & host.read_address.ready)
        ):
            m.d.sync += step.eq(3)
        return m


class SequencerBench(wiring.Component):
    """A sequencer that is started for each of ``starts`` and told what happens around it.

    It gets ``words`` when it has asked for them. A layer takes some cycles, and so do its outputs; a pause
    ends by itself. ``events``: what was done, of `SequencerBench.KINDS`; ``asked``: bursts of the program.
    """

    KINDS = ("configure", "load", "begin", "paused", "finished", "fault")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        event = {"kind": 3, "address": registers.ADDRESS_WIDTH, "data": 32, "layers": 16}
        super().__init__(
            {
                "starts": into({"base": beat_address_width(spec), "pause": 1}),
                "words": In(stream.Signature(WORD_WIDTH)),
                "events": out(event),
                "asked": out({"address": beat_address_width(spec), "beats": 8}),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        spec = self.spec
        m.submodules.sequencer = unit = Sequencer(spec)
        request, fault = unit.request, unit.fault.any()
        clock, since, waited = Signal(8), Signal(4), Signal(2)
        available = Signal(COUNT)  # words that were asked for and not taken
        granted, moved = Signal(8), Signal()
        m.d.comb += [
            unit.start.eq(self.starts.valid & ~unit.busy),
            self.starts.ready.eq(unit.finished | fault),
            unit.stop.eq(fault),
            unit.base.eq(self.starts.payload.base),
            unit.pause.eq(self.starts.payload.pause),
            unit.go_on.eq(waited == 3),
            unit.room.eq(clock[1]),
            unit.layer_over.eq(since == 9),
            unit.quiet.eq(clock[3] | (waited != 0)),
            request.grant.eq(request.valid & clock[0]),
            request.granted.eq(Mux(request.beats < spec.burst_beats, request.beats, spec.burst_beats)),
            granted.eq(Mux(request.grant, request.granted, 0)),
            unit.words.valid.eq(self.words.valid & (available != 0)),
            unit.words.payload.eq(self.words.payload),
            self.words.ready.eq(unit.words.ready & (available != 0)),
            moved.eq(self.words.valid & self.words.ready),
        ]
        m.d.sync += [
            clock.eq(clock + 1),
            since.eq(Mux(unit.begin, 1, Mux(since == 0, 0, since + 1))),
            waited.eq(Mux(unit.paused, waited + 1, 0)),
            available.eq(available + granted * (8 * spec.bus_bytes // WORD_WIDTH) - moved),
        ]
        with m.If(unit.start):
            m.d.sync += available.eq(0)
        paused = unit.paused & (waited == 0)
        kind, address, word = Signal(3), Signal(registers.ADDRESS_WIDTH), Signal(32)
        strobes = (unit.configure, unit.load, unit.begin, paused, unit.finished, fault)
        for number, strobe in enumerate(strobes):
            with m.If(strobe):
                m.d.comb += kind.eq(number)
        with m.If(fault):
            m.d.comb += word.eq(unit.fault)
        with m.Elif(unit.configure):
            m.d.comb += [address.eq(unit.config.address), word.eq(unit.config.data)]
        log(m, "events", self.events, Cat(kind, address, word, unit.layers), Cat(strobes).any())
        log(m, "asked", self.asked, Cat(request.address, granted), request.grant)
        return m
