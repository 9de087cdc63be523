"""From a stream of words to a window of bits that moves by any number of bits each cycle."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.spec import Spec


class BitReader(wiring.Component):
    """Two words and a bit pointer into the first of them; the window reaches into the second.

    Parameters
    ----------
    spec
        ``word_width`` and ``code_length``, the width of the window, of which a spec makes the first longer.

    Members
    -------
    clear : In(1)
        Forget all words; none is taken in this cycle.
    words : In(stream)
        Words, first bit in the most significant place.
    window : Out(code_length)
        The next bits, the very next one most significant; while ``valid``.
    valid : Out(1)
        Both words are there.
    take : In(1)
        Move on by ``length`` bits; only while ``valid``.
    length : In(range(code_length + 1))
        Bits to move on by.

    Latency
    -------
    The window is valid two cycles after the first word is taken; from then on a word a cycle sustains
    any ``length`` each cycle.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "clear": In(1),
                "words": In(stream.Signature(spec.word_width)),
                "window": Out(spec.code_length),
                "valid": Out(1),
                "take": In(1),
                "length": In(range(spec.code_length + 1)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        width = self.spec.word_width
        first = Signal(width, reset_less=True)
        second = Signal(width, reset_less=True)
        has_first = Signal()
        has_second = Signal()
        pointer = Signal(range(width))

        end = Signal(range(2 * width))
        beyond = Signal()  # the first word is used up
        shift = Signal()  # the second word becomes the first
        m.d.comb += [
            end.eq(pointer + self.length),
            beyond.eq(end >= width),
            self.valid.eq(has_first & has_second),
            shift.eq(has_second & (~has_first | (self.take & beyond))),
            self.words.ready.eq(~self.clear & (~has_second | shift)),
        ]
        with m.If(shift):
            m.d.sync += first.eq(second)
        with m.If(self.words.ready):
            m.d.sync += second.eq(self.words.payload)
        with m.If(self.take):
            m.d.sync += pointer.eq(Mux(beyond, end - width, end))
        m.d.sync += [
            has_first.eq(~self.clear & (has_first | shift)),
            has_second.eq(~self.clear & ((has_second & ~shift) | self.words.valid)),
        ]
        with m.If(self.clear):
            m.d.sync += pointer.eq(0)

        bits = Cat(second, first)
        for level in reversed(range(len(pointer))):
            # keep only what the later levels can still reach
            kept = self.spec.code_length + (1 << level) - 1
            bits = Mux(pointer[level], (bits << (1 << level))[: len(bits)], bits)[len(bits) - kept :]
        m.d.comb += self.window.eq(bits)
        return m
