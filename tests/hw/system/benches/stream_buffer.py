"""What stands around a stream buffer."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In

from shiftbook.golden.spec import Spec
from shiftbook.hw.system.stream_buffer import StreamBuffer
from tests.hw.system.benches.parts import COUNT, into, out


class StreamBench(wiring.Component):
    """A stream buffer with who asks for its beats and who takes its words.

    Layer n begins with a clear when its predecessor is over. ``bursts`` are asked for when there is room,
    and their ``beats`` come later. Of each of ``passes`` ``take`` words are taken; where that is
    ``whole``, a reader stays some cycles more, and would take what is beyond the end. ``wrong``: the
    buffer called itself empty while beats were on their way. ``dropped``: how often it said that it dropped
    what is not the end of a pass.
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
                "words": out({"word": word_width, "wrong": 1, "dropped": COUNT}),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.buffer = buffer = StreamBuffer(self.spec, self.word_width)
        layer, keep, busy, wrong = Signal(8), Signal(), Signal(), Signal()
        outstanding, left, linger = Signal(COUNT), Signal(COUNT), Signal(4)
        whole = Signal()
        dropped = Signal(COUNT)
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
                & ((layer == 0) | (buffer.aligned & (keep | buffer.empty)))
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
            self.words.payload.dropped.eq(dropped),
            buffer.words.ready.eq(self.words.ready & allowed),
        ]
        moved = self.words.valid & self.words.ready & (left != 0)
        m.d.sync += [
            outstanding.eq(outstanding + buffer.reserve - buffer.write),
            wrong.eq(wrong | ((outstanding != 0) & buffer.empty)),
            left.eq(left - moved),
            dropped.eq(dropped + buffer.too_long),
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
