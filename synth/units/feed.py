"""Focused weights out of Huffman coded streams, for units that take N of them a cycle."""

from __future__ import annotations

from dataclasses import replace

from amaranth import Cat, Elaboratable, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa.registers import Region
from shiftbook.golden.spec import DEFAULT
from shiftbook.hw.engine.huffman import CodeTable, HuffmanDecoder
from shiftbook.hw.engine.layouts import memory_write
from shiftbook.synth.units.focused import Focused

CODES = replace(
    DEFAULT, code_symbols=1 << Focused.weight.size, codebook_rows=1 << Focused.weight.size, codebooks=1
)
"""The engine's decoder for an alphabet of focused weights; a symbol is the weight itself."""


class HuffmanFeed(wiring.Component):
    """N decoders of one code: each gives a weight a cycle, for all output pixels.

    Parameters
    ----------
    inputs
        N.

    Members
    -------
    clear : In(1)
        Forget everything that was read.
    write_code : In(Signature)
        See `hw.engine.huffman.CodeTable`.
    write_symbols : In(Signature)
        Symbol memories of all decoders.
    words : In(N words)
        The next word of each stream, side by side.
    valid : In(N)
        It is there.
    ready : Out(N)
        It is taken.
    w : Out(N weights)
        As `synth.units.focused.Focused` takes them; all 0 unless ``step``.
    step : Out(1)
        Every decoder has a weight, and the next ones come in the next cycle.

    Latency
    -------
    That of `hw.engine.huffman.HuffmanDecoder`.
    """

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        super().__init__(
            {
                "clear": In(1),
                "write_code": In(memory_write(CODES, Region.CODE_CODE)),
                "write_symbols": In(memory_write(CODES, Region.CODE_SYMBOLS)),
                "words": In(inputs * CODES.word_width),
                "valid": In(inputs),
                "ready": Out(inputs),
                "w": Out(inputs * Focused.weight.size),
                "step": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.table = table = CodeTable(CODES, Region.CODE_CODE)
        wiring.connect(m, wiring.flipped(self.write_code), table.write)
        decoders = [HuffmanDecoder(CODES, Region.CODE_CODE) for _ in range(self.inputs)]
        m.d.comb += self.step.eq(Cat(decoder.symbols.valid for decoder in decoders).all())
        for number, decoder in enumerate(decoders):
            m.submodules[f"decoder_{number}"] = decoder
            wiring.connect(m, wiring.flipped(self.write_symbols), decoder.write)
            m.d.comb += [
                decoder.clear.eq(self.clear),
                decoder.limits.eq(table.limits),
                decoder.offsets.eq(table.offsets),
                decoder.words.payload.eq(self.words.word_select(number, CODES.word_width)),
                decoder.words.valid.eq(self.valid[number]),
                self.ready[number].eq(decoder.words.ready),
                decoder.symbols.ready.eq(self.step),
                self.w.word_select(number, Focused.weight.size).eq(
                    Mux(self.step, decoder.symbols.payload.first_row, 0)
                ),
            ]
        return m
