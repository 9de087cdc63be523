"""Between the bus and who reads a stream: beats in, words out, one pass over the stream after another."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shiftbook.golden.spec import Spec


class StreamBuffer(wiring.Component):
    """A queue of beats that hands out one pass at a time and drops what is left of it.

    Parameters
    ----------
    spec
        Bus width and depth.
    word_width
        Bits of a word: a power of two not above the bus width.

    Members
    -------
    clear : In(1)
        Forget everything.
    reserve : In(range(burst_beats + 1))
        Beats that were asked for in this cycle.
    room : Out(1)
        A whole burst can be asked for, or what is left of a pass that is kept.
    empty : Out(1)
        Nothing was asked for that is not taken.
    write : In(1)
        ``data`` is the next beat.
    data : In(8 * bus_bytes)
        A beat; its first word is the least significant.
    last : In(1)
        It is the last of a pass.
    keep : In(1)
        The pass fits the buffer: hand out the same one every time.
    start : In(1)
        Strobe: hand out the next pass. Only while ``aligned``.
    stop : In(1)
        Drop what is left of the pass.
    aligned : Out(1)
        Nothing is left of the pass before.
    too_long : Out(1)
        Strobe: a beat was dropped that is not the last of its pass, or does not fit a buffer that keeps it.
    words : Out(stream)
        Words of the pass, never beyond its end.

    Latency
    -------
    Two cycles from ``write`` to ``words``.
    """

    def __init__(self, spec: Spec, word_width: int) -> None:
        self.spec = spec
        self.word_width = word_width
        super().__init__(
            {
                "clear": In(1),
                "reserve": In(range(spec.burst_beats + 1)),
                "room": Out(1),
                "empty": Out(1),
                "write": In(1),
                "data": In(8 * spec.bus_bytes),
                "last": In(1),
                "keep": In(1),
                "start": In(1),
                "stop": In(1),
                "aligned": Out(1),
                "too_long": Out(1),
                "words": Out(stream.Signature(word_width)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        depth = self.spec.buffer_beats
        parts = 8 * self.spec.bus_bytes // self.word_width
        m.submodules.memory = memory = Memory(shape=len(self.data) + 1, depth=depth, init=[])
        write, read = memory.write_port(), memory.read_port()
        write_index, read_index = Signal(range(depth)), Signal(range(depth))
        stored = Signal(range(depth + 1))  # written, not yet taken
        owed = Signal(range(depth + 1))  # asked for, not yet taken
        written = Signal(range(depth + 1))  # of a pass that is kept
        again = Signal()  # a pass that is kept begins anew
        present = Signal()  # the beat at `read_index` was read
        following = Signal()  # that at the next `read_index` is read in this cycle, or was
        part = Signal(range(parts))
        open_ = Signal()  # a pass is handed out
        within = Signal()  # the next beat is not the first of a pass
        moved, taken, last = Signal(), Signal(), Signal()
        m.d.comb += [
            self.words.payload.eq(read.data.word_select(part, self.word_width)),
            self.words.valid.eq(present & open_),
            self.aligned.eq(~within & ~open_),
            last.eq(read.data[-1]),
            moved.eq(self.words.valid & self.words.ready),
            taken.eq((moved & (part == parts - 1)) | (present & ~open_ & within)),
            self.too_long.eq(
                (present & ~open_ & within & ~last) | (self.write & self.keep & (written == depth))
            ),
            self.empty.eq(owed == 0),
            self.room.eq(self.keep | (owed <= depth - self.spec.burst_beats)),
            write.en.eq(self.write),
            write.addr.eq(write_index),
            write.data.eq(self.data | (self.last << len(self.data))),
            again.eq(taken & last & self.keep),
            read.en.eq(following & (taken | ~present)),
            read.addr.eq(Mux(again, 0, read_index + taken)),
            # what is written in this cycle can only be read in the next one
            following.eq((stored != taken) | again),
        ]
        m.d.sync += [
            write_index.eq(write_index + self.write),
            read_index.eq(read.addr),
            stored.eq(Mux(again, written, stored + self.write - taken)),
            owed.eq(owed + self.reserve - (taken & ~self.keep)),
            written.eq(written + (self.write & self.keep)),
            present.eq(following),
            part.eq(part + moved),
        ]
        with m.If(taken):
            m.d.sync += [within.eq(~last), part.eq(0)]
        with m.If(self.start):
            m.d.sync += open_.eq(1)
        with m.Elif(self.stop | (taken & last)):
            m.d.sync += open_.eq(0)
        with m.If(moved & ~taken):
            m.d.sync += within.eq(1)
        with m.If(self.clear):
            state = (write_index, read_index, stored, owed, written, present, part, open_, within)
            m.d.sync += [signal.eq(0) for signal in state]
        return m
