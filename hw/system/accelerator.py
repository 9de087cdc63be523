"""The accelerator: the engine with all that lets it run a network by itself."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa import registers
from shiftbook.golden.isa.addresses import stream_count
from shiftbook.golden.isa.buffers import LOAD_SEGMENTS
from shiftbook.golden.isa.program_format import WORD_WIDTH
from shiftbook.golden.spec import Spec
from shiftbook.hw.engine.engine import Engine
from shiftbook.hw.system.fifo import Fifo
from shiftbook.hw.system.host_port import COUNTERS, HostPort
from shiftbook.hw.system.interfaces import Reader, host_bus, memory_bus
from shiftbook.hw.system.layer_registers import LayerRegisters, tell
from shiftbook.hw.system.load_planner import LoadPlanner
from shiftbook.hw.system.load_writer import LoadWriter
from shiftbook.hw.system.parity import odd_parity
from shiftbook.hw.system.read_master import ReadMaster
from shiftbook.hw.system.residual_reader import ResidualReader
from shiftbook.hw.system.sequencer import Sequencer
from shiftbook.hw.system.store import Store
from shiftbook.hw.system.stream_buffer import StreamBuffer
from shiftbook.hw.system.stream_fetcher import StreamFetcher
from shiftbook.hw.system.supervisor import Supervisor
from shiftbook.hw.system.tensor_buffer import TensorBuffer
from shiftbook.hw.system.tile_control import TileControl

INCREMENTING = 1
"""Of AXI's kinds of bursts."""


class Accelerator(wiring.Component):
    """AXI4-Lite slave for the host, AXI4 master for memory, an interrupt.

    Parameters
    ----------
    spec
        Everything.

    Members
    -------
    irq : Out(1)
        See `hw.system.host_port.HostPort`.
    s_axi : In(Signature)
        AXI4-Lite, for the host, see `hw.system.interfaces.host_bus`.
    m_axi : Out(Signature)
        AXI4, to memory, see `hw.system.interfaces.memory_bus`.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__({"irq": Out(1), "s_axi": In(host_bus()), "m_axi": Out(memory_bus(spec))})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        spec = self.spec
        self.host = m.submodules.host = HostPort(spec)
        self.supervisor = m.submodules.supervisor = Supervisor(spec.bus_parity)
        self.sequencer = m.submodules.sequencer = Sequencer(spec)
        self.registers = m.submodules.layer = LayerRegisters(spec)
        self.layer = self.registers.layer
        self.tiles = m.submodules.tiles = TileControl(spec)
        self.planner = m.submodules.planner = LoadPlanner(spec)
        self.writer = m.submodules.writer = LoadWriter(spec)
        self.fetcher = m.submodules.fetcher = StreamFetcher(spec)
        self.residual = m.submodules.residual_reader = ResidualReader(spec)
        self.store = m.submodules.store = Store(spec)
        self.reads = m.submodules.reads = ReadMaster(spec)
        self.engine = m.submodules.engine = Engine(spec)
        self.base = Signal.like(self.fetcher.base)
        self.loading = Signal()  # the writer has not taken all that was asked for
        m.d.comb += self.base.eq(self.host.program >> (spec.bus_bytes - 1).bit_length())
        self._join_host(m)
        self._join_memory(m)
        self._join_program(m)
        self._join_tiles(m)
        self._join_streams(m)
        self._join_loader(m)
        self._join_outputs(m)
        self._supervise(m)
        return m

    def _join_host(self, m: Module) -> None:
        """The host's port to the pins."""
        host, pins = self.host, self.s_axi
        m.d.comb += [
            self.irq.eq(host.irq),
            host.write_address.payload.eq(pins.aw.addr),
            host.write_data.payload.data.eq(pins.w.data),
            host.write_data.payload.strb.eq(pins.w.strb),
            pins.b.resp.eq(host.write_response.payload),
            host.read_address.payload.eq(pins.ar.addr),
            pins.r.data.eq(host.read_data.payload.data),
            pins.r.resp.eq(host.read_data.payload.resp),
        ]
        for channel, port in (
            (pins.aw, host.write_address),
            (pins.w, host.write_data),
            (pins.ar, host.read_address),
        ):
            m.d.comb += [port.valid.eq(channel.valid), channel.ready.eq(port.ready)]
        for channel, port in ((pins.b, host.write_response), (pins.r, host.read_data)):
            m.d.comb += [channel.valid.eq(port.valid), port.ready.eq(channel.ready)]

    def _join_memory(self, m: Module) -> None:
        """The masters to the pins, and to the tensor buffer if there is one."""
        reads, store, memory = self.reads, self.store, self.m_axi
        shift = (self.spec.bus_bytes - 1).bit_length()
        m.d.comb += [
            memory.aw.addr.eq(store.write_address.payload.address << shift),
            memory.aw.len.eq(store.write_address.payload.more_beats),
            memory.w.data.eq(store.write_data.payload.data),
            memory.w.strb.eq(store.write_data.payload.strb),
            memory.w.last.eq(store.write_data.payload.last),
            store.response.valid.eq(memory.b.valid),
            memory.b.ready.eq(store.response.ready),
            store.response.payload.resp.eq(memory.b.resp),
            memory.ar.addr.eq(reads.address.payload.address << shift),
            memory.ar.len.eq(reads.address.payload.more_beats),
            reads.read.payload.data.eq(memory.r.data),
            reads.read.payload.resp.eq(memory.r.resp),
            reads.read.payload.last.eq(memory.r.last),
            reads.read.valid.eq(memory.r.valid),
            memory.r.ready.eq(reads.read.ready),
        ]
        if self.spec.bus_parity:
            m.d.comb += [
                memory.w.datachk.eq(store.write_data.payload.datachk),
                reads.read.payload.datachk.eq(memory.r.datachk),
            ]
        for address in (memory.aw, memory.ar):
            m.d.comb += [address.size.eq(shift), address.burst.eq(INCREMENTING)]
        for channel, port in self._outward():
            m.d.comb += [channel.valid.eq(port.valid), port.ready.eq(channel.ready)]
        if self.spec.tensor_kib:
            self._join_buffer(m)

    def _outward(self) -> tuple[tuple[wiring.PureInterface, wiring.PureInterface], ...]:
        """The channels to memory, and what of the masters is on them."""
        memory, reads, store = self.m_axi, self.reads, self.store
        return (memory.aw, store.write_address), (memory.w, store.write_data), (memory.ar, reads.address)

    def _join_buffer(self, m: Module) -> None:
        """The tensor buffer to the masters; memory sees nothing of what it gets and gives."""
        reads, store = self.reads, self.store
        m.submodules.tensor_buffer = buffer = TensorBuffer(self.spec)
        asked, written, beat = reads.address.payload, store.write_address.payload, store.write_data.payload
        m.d.comb += [
            buffer.address.valid.eq(reads.address.valid & asked.local),
            buffer.address.payload.word.eq(asked.address),
            buffer.address.payload.more_beats.eq(asked.more_beats),
            buffer.write.eq(store.write_data.valid & written.local),
            buffer.word.eq(written.address),
            buffer.data.eq(beat.data),
            buffer.strb.eq(beat.strb),
            buffer.last.eq(beat.last),
            buffer.read.ready.eq(reads.read.ready & reads.local),
        ]
        stays = written.local, written.local, asked.local
        for (channel, port), local in zip(self._outward(), stays, strict=True):
            with m.If(local):
                m.d.comb += [channel.valid.eq(0), port.ready.eq(1)]
        given = reads.read.payload
        with m.If(reads.local):
            m.d.comb += [
                self.m_axi.r.ready.eq(0),
                reads.read.valid.eq(buffer.read.valid),
                given.data.eq(buffer.read.payload.data),
                given.resp.eq(0),
                given.last.eq(buffer.read.payload.last),
            ]
            if self.spec.bus_parity:  # what comes from there is not checked
                m.d.comb += given.datachk.eq(odd_parity(buffer.read.payload.data))

    def _join_program(self, m: Module) -> None:
        """The sequencer, its buffer, and what it configures."""
        host, sequencer, reads = self.host, self.sequencer, self.reads
        m.submodules.program = program = StreamBuffer(self.spec, WORD_WIDTH)
        m.d.comb += [
            sequencer.start.eq(host.start),
            sequencer.stop.eq(self.supervisor.fault.any()),
            sequencer.failing.eq(self.supervisor.failing),
            sequencer.base.eq(self.base),
            sequencer.pause.eq(host.pause),
            sequencer.go_on.eq(host.go_on),
            sequencer.room.eq(program.room),
            sequencer.empty.eq(program.empty),
            sequencer.empty_input.eq(~self.layer.channels.any()),
            sequencer.empty_layer.eq(~(self.engine.output_channels.any() & self.layer.tiles.any())),
            self.registers.start.eq(host.start),
            program.clear.eq(self.supervisor.clear | host.start),
            program.start.eq(sequencer.busy),
            program.reserve.eq(
                sequencer.request.granted & sequencer.request.grant.replicate(len(program.reserve))
            ),
            program.write.eq(self._answers(Reader.PROGRAM)),
            program.data.eq(reads.answers.payload.data),
            host.busy.eq(sequencer.busy | self.supervisor.clear),
            host.paused.eq(sequencer.paused),
            host.layers.eq(sequencer.layers),
            host.finished.eq(sequencer.finished),
            host.fault.eq(self.supervisor.fault),
            self.engine.config.payload.eq(sequencer.config),
            self.engine.config.valid.eq(sequencer.configure),
        ]
        wiring.connect(m, program.words, sequencer.words)
        for unit in (self.registers, self.writer, self.fetcher):
            m.d.comb += [unit.config.eq(sequencer.config), unit.configure.eq(sequencer.configure)]
        requests = {
            Reader.PROGRAM: sequencer.request,
            Reader.STREAMS: self.fetcher.request,
            Reader.RESIDUAL: self.residual.request,
            Reader.LOADER: self.planner.request,
        }
        for reader, request in requests.items():
            wiring.connect(m, request, reads.requests[reader])
        # The loader alone may make the bus wait: all others have reserved room.
        loading = reads.answers.payload.reader[Reader.LOADER]
        m.d.comb += reads.answers.ready.eq(~loading | self.writer.beats.ready | self.supervisor.clear)

    def _answers(self, reader: Reader) -> Value:
        """Whether a beat for this reader came."""
        return self.reads.answers.valid & self.reads.answers.payload.reader[reader]

    def _join_tiles(self, m: Module) -> None:
        """The course of a layer."""
        layer, tiles, engine = self.layer, self.tiles, self.engine
        m.d.comb += [
            tiles.clear.eq(self.supervisor.clear),
            tiles.load.eq(self.sequencer.load),
            tiles.run.eq(self.sequencer.begin),
            tiles.ring.eq(engine.addressing.ring >> engine.addressing.half[1]),
            tiles.busy.eq(engine.busy),
            tiles.claim.eq(self.planner.claim),
            tiles.loaded.eq(self.writer.loaded),
            engine.clear.eq(self.supervisor.clear),
            engine.clear_counters.eq(self.sequencer.start),
            engine.begin.eq(self.sequencer.begin),
            engine.start.eq(tiles.start),
            engine.column.eq(tiles.column),
            self.sequencer.fetched.eq(self.fetcher.fetched),
            self.sequencer.engine_over.eq(tiles.over & engine.idle),
            self.sequencer.layer_over.eq(self.sequencer.engine_over & self.store.sent),
            self.sequencer.loader_over.eq(~(self.planner.busy | self.loading | self.writer.busy)),
            self.sequencer.quiet.eq(self.store.quiet & self.reads.idle),
        ]
        tell(m, layer, tiles.layer)

    def _join_streams(self, m: Module) -> None:
        """The fetcher, a buffer for each stream, and the engine's inputs."""
        spec, engine, fetcher, answers = self.spec, self.engine, self.fetcher, self.reads.answers.payload
        widths = [registers.parameter_word_width(spec), *[spec.word_width] * (stream_count(spec) - 1)]
        buffers = [StreamBuffer(spec, width) for width in widths]
        m.d.comb += self.supervisor.stream_length.eq(Cat(buffer.too_long for buffer in buffers).any())
        streams = [*(engine.gaps if spec.feed == "coded" else ()), *engine.codes]
        targets = [engine.channels, *streams]
        m.d.comb += [
            fetcher.base.eq(self.base),
            fetcher.clear.eq(self.supervisor.clear),
            fetcher.begin.eq(self.sequencer.fetch),
            fetcher.passes.eq(self.layer.tiles),
            fetcher.sparing.eq(self.tiles.waiting),
            fetcher.room.eq(
                Mux(
                    self.tiles.waiting,
                    Cat(buffer.empty for buffer in buffers),
                    Cat(buffer.room for buffer in buffers),
                )
            ),
            fetcher.answers.eq(answers),
            fetcher.answered.eq(self.reads.answers.valid),
            self.tiles.ready.eq(Cat(buffer.aligned for buffer in buffers).all()),
        ]
        for number, (buffer, target) in enumerate(zip(buffers, targets, strict=True)):
            m.submodules[f"stream_{number}"] = buffer
            m.d.comb += [
                buffer.clear.eq(self.supervisor.clear | self.sequencer.fetch),
                buffer.reserve.eq(
                    fetcher.request.granted & fetcher.reserve[number].replicate(len(buffer.reserve))
                ),
                buffer.write.eq(fetcher.write[number]),
                buffer.data.eq(answers.data),
                buffer.last.eq(fetcher.last),
                buffer.keep.eq(fetcher.keep[number]),
                buffer.start.eq(self.tiles.start),
                buffer.stop.eq(~engine.busy),
                target.payload.eq(buffer.words.payload),
                target.valid.eq(buffer.words.valid),
                buffer.words.ready.eq(target.ready),
            ]

    def _join_loader(self, m: Module) -> None:
        """Both halves, and the segments between them."""
        layer, planner, writer = self.layer, self.planner, self.writer
        m.submodules.segments = segments = Fifo(planner.segments.payload.shape(), LOAD_SEGMENTS)
        wiring.connect(m, planner.segments, segments.input)
        wiring.connect(m, segments.output, writer.segments)
        m.d.comb += [
            segments.clear.eq(self.supervisor.clear),
            planner.clear.eq(self.supervisor.clear),
            planner.begin.eq(self.sequencer.load),
            planner.base.eq(self._base_of(layer.source)),
            planner.may_load.eq(self.tiles.may_load),
            planner.settled.eq(self.store.settled),
            planner.ahead.eq(self.tiles.ahead),
            planner.written.eq(self.store.written),
            planner.complete.eq(self.store.sent & self.store.quiet),
            self.loading.eq(segments.output.valid),
            writer.clear.eq(self.supervisor.clear),
            writer.addressing.eq(self.engine.addressing),
            writer.beats.payload.eq(self.reads.answers.payload.data),
            writer.beats.valid.eq(self._answers(Reader.LOADER)),
            self.engine.write.eq(writer.write),
        ]
        tell(m, layer, planner.layer)
        tell(m, layer, writer.layer)

    def _join_outputs(self, m: Module) -> None:
        """Residuals in, outputs out."""
        layer, engine, store, residual = self.layer, self.engine, self.store, self.residual
        begin, clear = self.sequencer.begin, self.supervisor.clear
        for unit in (store, residual):
            m.d.comb += [
                unit.clear.eq(clear),
                unit.channels.eq(engine.output_channels),
                unit.tiles.eq(layer.tiles),
            ]
        m.d.comb += [
            store.begin.eq(begin),
            store.address.eq(self._base_of(layer.destination) + layer.destination),
            store.block_step.eq(layer.destination_block_step),
            store.beat_step.eq(layer.destination_beat_step),
            store.tile_cols.eq(layer.tile_cols),
            store.partial.eq(engine.partial_out),
            store.commit.eq(engine.commit),
            store.valid.eq(engine.valid),
            store.beat.eq(engine.beat),
            engine.room.eq(store.room),
            residual.begin.eq(begin & layer.residual),
            residual.settled.eq(store.settled),
            residual.address.eq(self._base_of(layer.residual_source) + layer.residual_source),
            residual.block_step.eq(layer.residual_block_step),
            residual.beat_step.eq(layer.residual_beat_step),
            residual.answers.eq(self.reads.answers.payload),
            residual.answered.eq(self.reads.answers.valid),
            residual.commit.eq(engine.commit & layer.residual),
            residual.partial_in.eq(layer.partial_in & layer.residual),
            residual.take.eq(engine.take_residual & layer.residual),
            residual.last_round.eq(engine.last_round),
            engine.residual_ready.eq(residual.ready),
            engine.residual.eq(residual.residual),
            engine.partial.eq(residual.partial),
        ]
        if self.spec.interleaves:
            m.d.comb += [
                store.row_step.eq(layer.destination_row_step),
                store.skip.eq(layer.destination_skip),
                store.phases.eq(layer.destination_phases),
                store.cut.eq(layer.destination_cut),
            ]

        if self.spec.tensor_kib:
            m.d.comb += [store.local.eq(layer.destination[-1]), residual.local.eq(layer.residual_source[-1])]

    def _base_of(self, place: Value) -> Value:
        """What the address of a place is from, in beats; see `golden.isa.addresses.place_width`."""
        return Mux(place[-1], 0, self.base) if self.spec.tensor_kib else self.base

    def _supervise(self, m: Module) -> None:
        """Faults, progress, counters."""
        supervisor, sequencer, engine, store = self.supervisor, self.sequencer, self.engine, self.store
        stored = store.write_data.valid & store.write_data.ready
        m.d.comb += [
            supervisor.running.eq(sequencer.busy),
            supervisor.paused.eq(sequencer.paused),
            supervisor.abort.eq(self.host.abort),
            supervisor.program_fault.eq(sequencer.fault),
            supervisor.damaged.eq(self.fetcher.damaged),
            supervisor.bad_code.eq(engine.bad_code),
            supervisor.read_response.eq(self.reads.response),
            supervisor.write_response.eq(store.bad_response),
            supervisor.step.eq(sequencer.step),
            supervisor.patience.eq(self.host.watchdog),
            supervisor.settled.eq(store.quiet & self.reads.idle),
            supervisor.progress.eq(
                self.reads.beat
                | stored
                | engine.valid
                | engine.issuing
                | engine.write.slots.any()
                | (sequencer.words.valid & sequencer.words.ready)
            ),
            self.reads.halt.eq(supervisor.clear),
        ]
        if self.spec.bus_parity:
            m.d.comb += supervisor.bad_parity.eq(self.reads.bad_parity)
        own = {"CYCLES": sequencer.busy & ~sequencer.paused, "LOAD_WAIT": self.tiles.waiting}
        own |= {"READ_BEATS": self.reads.beat, "WRITE_BEATS": stored}
        if self.spec.tensor_kib:  # of memory alone
            own["READ_BEATS"] &= ~self.reads.local
            own["WRITE_BEATS"] &= ~store.write_address.payload.local
        for number, register in enumerate(COUNTERS):
            if register.name not in own:
                m.d.comb += self.host.counters[number].eq(getattr(engine.counters, register.name.lower()))
                continue
            counter = Signal(32, name=register.name.lower())
            m.d.sync += counter.eq(counter + own[register.name])
            with m.If(sequencer.start):
                m.d.sync += counter.eq(0)
            m.d.comb += self.host.counters[number].eq(counter)
