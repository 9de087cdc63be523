"""A small AXI4 master, right in all that it does, on which the checker of masters is tried."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from tests.formal.axi_rules import INCR, axi

ADDRESS_WIDTH = 16
SIZE = 2
PAGE_WORDS = 1024


class Copier(wiring.Component):
    """Reads a burst and writes one of the same length to the same place, again and again.

    Members
    -------
    bus : Out(Signature)
        See `tests.formal.axi_rules.axi`.
    word : In(14)
        Where the next burst begins; it ends with the page at the latest.
    beats : In(8)
        Its beats, minus 1.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "bus": Out(axi(ADDRESS_WIDTH, 8 << SIZE)),
                "word": In(ADDRESS_WIDTH - SIZE),
                "beats": In(8),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        aw, w, b, ar, r = (getattr(self.bus, name) for name in ("aw", "w", "b", "ar", "r"))
        reading, writing = Signal(), Signal()
        room = PAGE_WORDS - 1 - self.word[:10]
        begin = ~reading & ~writing
        beat = Signal(8)
        m.d.comb += [
            w.payload.last.eq(beat == aw.payload.len),
            w.payload.data.eq(beat),
            r.ready.eq(1),
            b.ready.eq(1),
        ]
        with m.If(begin):
            for channel in (aw, ar):
                m.d.sync += [
                    channel.payload.addr.eq(self.word << SIZE),
                    channel.payload.len.eq(Mux(self.beats < room, self.beats, room)),
                    channel.payload.size.eq(SIZE),
                    channel.payload.burst.eq(INCR),
                ]
            m.d.sync += [reading.eq(1), writing.eq(1), beat.eq(0)]
            m.d.sync += [aw.valid.eq(1), w.valid.eq(1), ar.valid.eq(1)]
        with m.Else():
            m.d.sync += [
                aw.valid.eq(aw.valid & ~aw.ready),
                ar.valid.eq(ar.valid & ~ar.ready),
                w.valid.eq(w.valid & ~(w.ready & w.payload.last)),
                beat.eq(beat + (w.valid & w.ready)),
                reading.eq(reading & ~(r.valid & r.payload.last)),
                writing.eq(writing & ~b.valid),
            ]
        return m
