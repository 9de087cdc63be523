"""What stands around the store."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa.addresses import beat_address_width
from shiftbook.golden.spec import PARTIAL_BYTES, Spec
from shiftbook.hw.engine.drain import Drain
from shiftbook.hw.system.store import Store
from tests.hw.benches import delayed
from tests.hw.system.benches.parts import COUNT, into, log, out, unsteady, walk

SETTINGS = (
    *("channels", "tiles", "address", "block_step", "beat_step"),
    *("row_step", "skip", "phases", "cut", "tile_cols", "partial"),
)
"""What the store is told about a layer."""


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
        super().__init__(
            {
                "layers": into(
                    {
                        **walk(spec),
                        "row_step": beat_address_width(spec),
                        "skip": beat_address_width(spec),
                        "phases": 4,
                        "cut": 1,
                        "tile_cols": COUNT,
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
            *(getattr(store, name).eq(getattr(layer, name)) for name in SETTINGS),
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
        byte = Signal(range(PARTIAL_BYTES))  # of a committed sum
        begins = Signal()  # a channel's beats will come
        held = Signal(self.outputs.payload.shape())
        late = delayed(m, self.outputs.payload.as_value(), self.spec.accumulate_cycles + Drain.LATENCY - 1)
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
        with m.If(delayed(m, begins, self.spec.accumulate_cycles + Drain.LATENCY - 1)):
            m.d.sync += [held.eq(late), number.eq(cycles)]
