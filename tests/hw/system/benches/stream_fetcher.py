"""What stands around the stream fetcher."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In

from shiftbook.golden.isa.addresses import beat_address_width, stream_count
from shiftbook.golden.isa.buffers import SPARING_BEATS
from shiftbook.golden.spec import Spec
from shiftbook.hw.engine.layouts import config_word
from shiftbook.hw.system.interfaces import Reader
from shiftbook.hw.system.stream_fetcher import StreamFetcher
from tests.hw.system.benches.bus import Bus
from tests.hw.system.benches.parts import COUNT, into, log, out


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
        many = fetcher.sparing & (request.granted > SPARING_BEATS)
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
