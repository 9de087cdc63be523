"""Canonical Huffman decoding, one symbol a cycle."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa import registers
from shiftbook.golden.isa.registers import Region, Register
from shiftbook.golden.spec import Spec
from shiftbook.hw.engine.bit_reader import BitReader
from shiftbook.hw.engine.layouts import code_symbol, gap_symbol, memory_write

SYMBOLS = {Region.GAP_CODE: Region.GAP_SYMBOLS, Region.CODE_CODE: Region.CODE_SYMBOLS}
"""The symbol memory that belongs to a code."""


def limits_layout(spec: Spec) -> data.StructLayout:
    """``limit`` of each length, without the low bits that are always 0."""
    return data.StructLayout({f"of_{n}": n + 1 for n in range(1, spec.code_length + 1)})


def offsets_layout(spec: Spec, code: Region) -> data.ArrayLayout:
    """``offset`` of each length; element 0 is that of length 1."""
    return data.ArrayLayout(_rank_width(spec, code), spec.code_length)


def _rank_width(spec: Spec, code: Region) -> int:
    return registers.rank_width(spec.gap_symbols if code == Region.GAP_CODE else spec.code_symbols)


class CodeTable(wiring.Component):
    """What all decoders of one canonical code share: limit and offset of each length.

    Parameters
    ----------
    spec
        Widths.
    code
        ``Region.GAP_CODE`` or ``Region.CODE_CODE``.

    Members
    -------
    write : In(Signature)
        Sets limit and offset of length ``index + 1``.
    limits : Out(StructLayout)
        See `limits_layout`.
    offsets : Out(ArrayLayout)
        See `offsets_layout`.
    """

    def __init__(self, spec: Spec, code: Region) -> None:
        self.spec = spec
        self.code = code
        super().__init__(
            {
                "write": In(memory_write(spec, code)),
                "limits": Out(limits_layout(spec)),
                "offsets": Out(offsets_layout(spec, code)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        longest = self.spec.code_length
        limit = self.write.data[: longest + 1]
        offset = self.write.data[longest + 1 :]
        for length in range(1, longest + 1):
            stored_limit = Signal(length + 1, name=f"limit_{length}", reset_less=True)
            stored_offset = Signal(len(offset), name=f"offset_{length}", reset_less=True)
            with m.If(self.write.enable & (self.write.index == length - 1)):
                m.d.sync += [stored_limit.eq(limit[longest - length :]), stored_offset.eq(offset)]
            m.d.comb += [
                self.limits[f"of_{length}"].eq(stored_limit),
                self.offsets[length - 1].eq(stored_offset),
            ]
        return m


class HuffmanDecoder(wiring.Component):
    """Words in, symbols out.

    A code of length L is the first L bits of the window and ranks ``code + offset[L]`` among all; L is
    the smallest for which the code is below ``limit[L]``. Where there is none the symbol is marked bad
    and the longest length is taken, so that a damaged stream moves on.

    Codes come in items of ``books + 1``, each from the next codebook. All codebooks share one Huffman
    code; each has symbols of its own.

    Parameters
    ----------
    spec
        Widths.
    code
        ``Region.GAP_CODE`` or ``Region.CODE_CODE``.

    Members
    -------
    clear : In(1)
        Forget everything that was read.
    limits : In(StructLayout)
        From the `CodeTable`.
    offsets : In(ArrayLayout)
        From the `CodeTable`.
    write : In(Signature)
        Symbol memory: the symbol of each rank, of codes those of one codebook after another.
    words : In(stream)
        The bit stream, see `BitReader`.
    symbols : Out(stream)
        Decoded symbols, see `hw.engine.layouts.gap_symbol` and `hw.engine.layouts.code_symbol`.
    books : In(2)
        Codes of an item, minus 1. Not there with ``Region.GAP_CODE``.

    Latency
    -------
    Three cycles from the first word to the first symbol; then one symbol a cycle.

    Source
    ------
    Moffat and Turpin, "On the implementation of minimum redundancy prefix codes", 1997.
    """

    def __init__(self, spec: Spec, code: Region) -> None:
        self.spec = spec
        self.code = code
        symbol = gap_symbol(spec) if code == Region.GAP_CODE else code_symbol(spec)
        members = {
            "clear": In(1),
            "limits": In(limits_layout(spec)),
            "offsets": In(offsets_layout(spec, code)),
            "write": In(memory_write(spec, SYMBOLS[code])),
            "words": In(stream.Signature(spec.word_width)),
            "symbols": Out(stream.Signature(symbol)),
        }
        if code == Region.CODE_CODE:
            members["books"] = In(registers.register_fields(spec)[Register.BOOKS].width)
        super().__init__(members)

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.reader = reader = BitReader(self.spec)
        wiring.connect(m, wiring.flipped(self.words), reader.words)
        depth = registers.depths(self.spec)[SYMBOLS[self.code]]
        m.submodules.memory = memory = Memory(shape=len(self.write.data), depth=depth, init=[])
        write = memory.write_port()
        read = memory.read_port()

        below, first_below = self._lengths(m, reader.window)
        longest = self.spec.code_length
        advance = Signal()
        bad = Signal(reset_less=True)
        m.d.comb += [
            advance.eq(reader.valid & (~self.symbols.valid | self.symbols.ready)),
            reader.clear.eq(self.clear),
            reader.take.eq(advance),
            reader.length.eq(
                Cat(
                    _any(first_below[n - 1] for n in range(1, longest + 1) if n >> bit & 1)
                    for bit in range(longest.bit_length())
                )
                | Mux(below[-1], 0, longest)
            ),
            write.en.eq(self.write.enable),
            write.addr.eq(self.write.index),
            write.data.eq(self.write.data),
            read.en.eq(advance),
        ]
        rank = self._rank(reader.window, first_below)
        if self.code == Region.GAP_CODE:
            m.d.comb += [read.addr.eq(rank), self.symbols.payload.eq(Cat(read.data, bad))]
        else:
            book, last = self._books(m, advance)
            m.d.comb += [read.addr.eq(Cat(rank, book)), self.symbols.payload.eq(Cat(read.data, last, bad))]
        m.d.sync += self.symbols.valid.eq(
            ~self.clear & (reader.valid | (self.symbols.valid & ~self.symbols.ready))
        )
        with m.If(advance):
            m.d.sync += bad.eq(~below[-1])
        return m

    def _books(self, m: Module, advance: Signal) -> tuple[Signal, Signal]:
        """Codebook of the code that is read next; whether the one read before was the last of its item."""
        book = Signal(len(self.books))
        last = Signal(reset_less=True)
        ends = book == self.books
        with m.If(self.clear):
            m.d.sync += book.eq(0)
        with m.Elif(advance):
            m.d.sync += book.eq(Mux(ends, 0, book + 1))
        with m.If(advance):
            m.d.sync += last.eq(ends)
        return book, last

    def _lengths(self, m: Module, window: Value) -> tuple[Value, Value]:
        """For each length whether the code is below its limit, and whether that length is the first."""
        longest = self.spec.code_length
        below = Signal(longest)
        first_below = Signal(longest)
        m.d.comb += [
            below.eq(Cat(window[longest - n :] < self.limits[f"of_{n}"] for n in range(1, longest + 1))),
            first_below.eq(below & ~(below << 1)),  # limits never fall: below is a run of 0 and then of 1
        ]
        return below, first_below

    def _rank(self, window: Value, first_below: Value) -> Value:
        """Code plus offset of the length found."""
        longest = self.spec.code_length
        width = _rank_width(self.spec, self.code)
        code: Value | int = 0
        offset: Value | int = 0
        for n in range(1, longest + 1):
            chosen = first_below[n - 1]
            code |= window[longest - n :][:width] & chosen.replicate(min(n, width))
            offset |= self.offsets[n - 1] & chosen.replicate(width)
        return Value.cast(code + offset)[:width]


def _any(bits: object) -> Value:
    return Cat(bits).any()
