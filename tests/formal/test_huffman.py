"""The decoder finds the code word that the bits begin with, and hands out its symbol, once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from amaranth import Const, Module, Mux, Signal, Value
from amaranth.hdl import Assert, Assume

import shiftbook.hw.engine.huffman
from shiftbook.golden.isa.registers import Region
from shiftbook.golden.spec import DEFAULT, Spec
from shiftbook.hw.engine.huffman import HuffmanDecoder
from tests.formal.checks import assert_steady, drive_freely, past, something
from tests.formal.mutants import mutant
from tests.formal.prove import Inside, prove, refute

SMALL = replace(DEFAULT, code_length=8, gap_symbols=16, code_symbols=16, codebooks=4)


class Code:
    """A canonical code, any of them, and one of its code words.

    The code is given by how many words it has of each length. Its words fill the code space exactly, or
    there is a single one, of one bit. Its words are `golden.coding.huffman.HuffmanCode`'s: in the order of
    their lengths each begins where the one before it ends, a word of L bits being ``2**(code_length - L)``
    windows wide.

    Parameters
    ----------
    m
        The checker.
    spec
        ``code_length``.
    symbols
        The code has at most so many words.
    """

    def __init__(self, m: Module, spec: Spec, symbols: int) -> None:
        self.longest = longest = spec.code_length
        width = symbols.bit_length()
        numbers = [something(m, width, f"words_of_{length}") for length in range(1, longest + 1)]
        self.numbers = [Const(0, width), *numbers]
        filled = sum(n << (longest - length) for length, n in enumerate(numbers, 1))
        total = sum(numbers)
        self.complete = filled == 1 << longest
        single = (total == 1) & (numbers[0] == 1)
        m.d.comb += Assume((total <= symbols) & (self.complete | single))
        self._follow_a_word(m, width, total)

    def _follow_a_word(self, m: Module, width: int, total: Value) -> None:
        """The word of any rank: its length, and the first window that begins with it."""
        self.rank = something(m, width, "rank")
        self.length = Signal(range(self.longest + 1))
        self.begin = Signal(self.longest + 1)
        m.d.comb += Assume(self.rank < total)
        shorter: Value | int = 0  # words
        begin: Value | int = 0
        for length, number in enumerate(self.numbers):
            here = (self.rank >= shorter) & (self.rank < shorter + number)
            span = self.longest - length
            with m.If(here):
                m.d.comb += [
                    self.length.eq(length),
                    self.begin.eq(begin + ((self.rank - shorter)[:width] << span)),
                ]
            shorter = shorter + number
            begin = begin + (number << span)

    def begins(self, window: Value) -> Value:
        """Whether ``window`` begins with the word."""
        size = Signal(self.longest + 1)
        return (window >= self.begin) & (
            window < self.begin + ((1 << self.longest) >> self.length)[: len(size)]
        )

    def tables(self, m: Module, decoder: HuffmanDecoder) -> None:
        """Limits and offsets as `golden.coding.huffman` gives them to the host."""
        first: Value | int = 0
        ranks: Value | int = 0
        for length in range(1, self.longest + 1):
            first = (first + self.numbers[length - 1]) << 1
            m.d.comb += [
                decoder.limits[f"of_{length}"].eq(first + self.numbers[length]),
                decoder.offsets[length - 1].eq(ranks - first),
            ]
            ranks = ranks + self.numbers[length]


def decodes(decoder: HuffmanDecoder) -> Module:
    """One decoding step, from any window, of any code.

    Assumed: the code is one (see `Code`). Proven for every window: if it begins with a word, then the
    reader is told to move by this word's length, the symbol memory is asked for this word's rank, and the
    symbol is not bad; if it begins with none it is bad, and the reader moves by the longest length, and never
    by more.
    """
    m = Module()
    inside = Inside(decoder)
    m.submodules.decoder = inside.fragment
    drive_freely(m, decoder, but=("limits", "offsets"))
    spec = decoder.spec
    symbols = spec.gap_symbols if decoder.code == Region.GAP_CODE else spec.code_symbols
    code = Code(m, spec, symbols)
    code.tables(m, decoder)
    reader = inside.part("reader").component
    address = inside.part("memory").fragment._read_ports[0]._addr
    width = (symbols - 1).bit_length()
    found = code.begins(reader.window)
    bad = Value.cast(decoder.symbols.payload)[-1]
    m.d.comb += [
        Assert(~found | (reader.length == code.length), "the length is wrong"),
        Assert(reader.length <= code.longest, "the length is beyond the window"),
        Assert(~found | (address[:width] == code.rank), "the rank is wrong"),
        Assert(~past(m, reader.take & found) | ~bad, "a word is called bad"),
        Assert(
            ~past(m, reader.take) | ~bad | ~past(m, code.complete), "a word of a complete code is called bad"
        ),
        Assert(
            ~past(m, reader.take & ~code.complete & reader.window[-1]) | bad,
            "bits that are no word are not bad",
        ),
        Assert(
            code.complete | ~reader.window[-1] | (reader.length == code.longest), "bad bits are not passed"
        ),
    ]
    return m


def hands_out(decoder: HuffmanDecoder, invariants: bool = True) -> Module:
    """The stream of symbols.

    Nothing is assumed of code tables and bits; symbols may be written at any time, and ``books`` is any
    number that does not change. Proven by induction: each step of the reader gives one symbol, which is
    what the memory held at the address in the cycle of the step, once, after those of all steps before
    it; of an item of ``books + 1`` codes the last is marked, and each is looked up in its codebook.
    """
    m = Module()
    inside = Inside(decoder)
    m.submodules.decoder = inside.fragment
    drive_freely(m, decoder, but=("books",))
    reader = inside.part("reader").component
    address = inside.part("memory").fragment._read_ports[0]._addr
    symbols = decoder.symbols
    taken = symbols.valid & symbols.ready
    pending = Signal()  # a step was made and its symbol not taken
    symbol = Signal(decoder.write.data.shape())
    m.d.sync += pending.eq(~decoder.clear & (reader.take | (pending & ~taken)))
    with m.If(reader.take):
        m.d.sync += symbol.eq(inside.word("memory", address))
    payload = Value.cast(symbols.payload)[: len(symbol)]
    m.d.comb += [
        Assert(~reader.take | reader.valid, "a step is made without bits"),
        Assert(~(reader.take & pending) | taken, "a symbol is overwritten"),
        Assert(symbols.valid == pending, "a symbol is lost or repeated"),
        Assert(~pending | (payload == symbol), "another symbol comes out"),
        Assert(reader.take | ~reader.valid | (pending & ~taken), "the decoder does not go on"),
    ]
    assert_steady(m, symbols, decoder.clear)
    if decoder.code == Region.CODE_CODE:
        book = _books(m, decoder, reader.take, address)
        if invariants:
            m.d.comb += Assert(inside.signal("book") == book)
    return m


def _books(m: Module, decoder: HuffmanDecoder, step: Value, address: Value) -> Signal:
    """Which code of its item comes next; what must be so because of it."""
    books = something(m, len(decoder.books), "books")
    book = Signal(len(books), name="expected_book")
    ends = book == books
    m.d.comb += decoder.books.eq(books)
    with m.If(step):
        m.d.sync += book.eq(Mux(ends, 0, book + 1))
    with m.If(decoder.clear):
        m.d.sync += book.eq(0)
    m.d.comb += [
        Assert(address[-len(books) :] == book, "another codebook is asked"),
        Assert(~past(m, step) | (decoder.symbols.payload.last == past(m, ends)), "last is wrong"),
        Assert(book <= books),
    ]
    return book


CODES = {"gaps": Region.GAP_CODE, "codes": Region.CODE_CODE}
LENGTHS = {
    "8": SMALL,
    "default": DEFAULT,
    "15": replace(DEFAULT, code_length=15),
}


@pytest.mark.formal
@pytest.mark.parametrize("spec", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_decodes(code: Region, spec: Spec) -> None:
    prove(decodes(HuffmanDecoder(spec, code)))


@pytest.mark.formal
@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
@pytest.mark.parametrize("spec", [SMALL, DEFAULT], ids=["small", "default"])
def test_hands_out(code: Region, spec: Spec) -> None:
    prove(hands_out(HuffmanDecoder(spec, code)))


STEPS = {
    "the shortest code is not looked at": (
        "window[longest - n :] <",
        "window[longest - n :] <=",
        "the length is wrong",
    ),
    "the longest length is taken": ("below & ~(below << 1)", "below & ~(below >> 1)", "the length is wrong"),
    "an offset is lost": (
        "offset |= self.offsets[n - 1] &",
        "offset |= self.offsets[0] &",
        "the rank is wrong",
    ),
    "a code is cut": (
        "chosen.replicate(min(n, width))",
        "chosen.replicate(min(n, width - 1))",
        "the rank is wrong",
    ),
    "everything is bad": ("bad.eq(~below[-1])", "bad.eq(1)", "is called bad"),
    "nothing is bad": ("bad.eq(~below[-1])", "bad.eq(0)", "are not bad"),
    "a length too many": (
        "Mux(below[-1], 0, longest)",
        "Mux(below[-1], 0, longest + 1)",
        "beyond the window",
    ),
    "bad bits stay": ("Mux(below[-1], 0, longest)", "0", "bad bits are not passed"),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong", "message"), STEPS.values(), ids=STEPS)
def test_mutant_steps(right: str, wrong: str, message: str) -> None:
    decoder = mutant(shiftbook.hw.engine.huffman, right, wrong).HuffmanDecoder(SMALL, Region.GAP_CODE)
    refute(decodes(decoder), message)


STREAMS = {
    "a symbol is overwritten": (
        "(~self.symbols.valid | self.symbols.ready)",
        "(~self.symbols.valid | self.clear)",
        "does not go on",
    ),
    "nobody is waited for": (
        "reader.valid & (~self.symbols.valid | self.symbols.ready)",
        "reader.valid",
        "overwritten",
    ),
    "a step without bits": ("advance.eq(reader.valid & ", "advance.eq(", "without bits"),
    "valid for one cycle only": ("(self.symbols.valid & ~self.symbols.ready)", "0", "lost or repeated"),
    "a symbol is repeated": (
        "(self.symbols.valid & ~self.symbols.ready)",
        "self.symbols.valid",
        "lost or repeated",
    ),
    "the memory is read again": ("read.en.eq(advance)", "read.en.eq(1)", "another symbol"),
    "bad does not wait": (
        "with m.If(advance):\n            m.d.sync += bad",
        "with m.If(1):\n            m.d.sync += bad",
        "payload changed",
    ),
    "one book too many": ("ends = book == self.books", "ends = book > self.books", "last is wrong"),
    "clear keeps the book": ("m.d.sync += book.eq(0)", "m.d.sync += book.eq(book)", "codebook"),
    "last does not wait": (
        "with m.If(advance):\n            m.d.sync += last",
        "with m.If(1):\n            m.d.sync += last",
        "payload changed",
    ),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong", "message"), STREAMS.values(), ids=STREAMS)
def test_mutant_streams(right: str, wrong: str, message: str) -> None:
    decoder = mutant(shiftbook.hw.engine.huffman, right, wrong).HuffmanDecoder(SMALL, Region.CODE_CODE)
    refute(hands_out(decoder, invariants=False), message)
