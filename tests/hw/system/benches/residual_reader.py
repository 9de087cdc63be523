"""What stands around the residual reader."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In

from shiftbook.golden.spec import PARTIAL_BYTES, PARTIAL_WIDTH, Spec
from shiftbook.hw.system.interfaces import Reader
from shiftbook.hw.system.residual_reader import ResidualReader
from tests.hw.benches import delayed
from tests.hw.system.benches.bus import Bus
from tests.hw.system.benches.parts import COUNT, into, out, walk


class ResidualBench(wiring.Component):
    """A residual reader between memory and a drain, which commits a channel for each of ``takes``.

    With ``rounds`` the drain takes each channel as often as a partial sum has bytes.

    ``layers`` follow one another when all their residuals are out.
    """

    def __init__(self, spec: Spec, contents: bytes) -> None:
        self.spec = spec
        self.contents = contents
        super().__init__(
            {
                "layers": into(
                    {
                        **walk(spec),
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
            reader.settled.eq(1),
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
        begin = delayed(m, commit, spec.accumulate_cycles)
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
