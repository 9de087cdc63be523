"""The dense feed: weights straight from the words of a stream."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import Spec
from shiftbook.hw.engine.layouts import code_symbol


class Unpacker(wiring.Component):
    """Words in, weights out, the first from the most significant bits.

    Parameters
    ----------
    spec
        ``word_width``, a multiple of ``weight_width``.

    Members
    -------
    clear : In(1)
        Forget everything that was read.
    words : In(stream)
        Packed weights.
    symbols : Out(stream)
        Weights.

    Latency
    -------
    One cycle; then one weight a cycle.

    Raises
    ------
    ShiftbookError
        The word width is not a multiple of the weight's.
    """

    def __init__(self, spec: Spec) -> None:
        if spec.word_width % spec.weight_width:
            raise ShiftbookError(
                f"word_width must be a multiple of the {spec.weight_width} bits of a weight for a dense "
                f"feed, not {spec.word_width}"
            )
        self.spec = spec
        super().__init__(
            {
                "clear": In(1),
                "words": In(stream.Signature(spec.word_width)),
                "symbols": Out(stream.Signature(code_symbol(spec))),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        width = self.spec.weight_width
        parts = self.spec.word_width // width
        word = Signal(self.spec.word_width, reset_less=True)
        part = Signal(range(parts))
        last = Signal()
        m.d.comb += [
            last.eq(part == parts - 1),
            self.symbols.payload.eq(word[-width:]),
            self.words.ready.eq(~self.clear & (~self.symbols.valid | (self.symbols.ready & last))),
        ]
        with m.If(self.words.ready):
            m.d.sync += [word.eq(self.words.payload), self.symbols.valid.eq(self.words.valid), part.eq(0)]
        with m.Elif(self.symbols.ready):
            m.d.sync += [word.eq(word << width), part.eq(part + 1)]
        with m.If(self.clear):
            m.d.sync += self.symbols.valid.eq(0)
        return m
