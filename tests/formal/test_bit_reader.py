"""The bit reader loses no bit and repeats none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.hdl import Assert, Assume

import shiftbook.hw.engine.bit_reader
from shiftbook.golden.spec import DEFAULT, Spec
from shiftbook.hw.engine.bit_reader import BitReader
from tests.formal.checks import Followed, count, drive_freely, something
from tests.formal.mutants import mutant
from tests.formal.prove import Inside, prove, refute

SPECS = {
    f"{width}_{length}": replace(DEFAULT, word_width=width, code_length=length)
    for width, length in ((16, 8), (16, 12), (16, 15), (32, 15))
}


def bits_in_order(reader: BitReader, invariants: bool = True) -> Module:
    """The reader, and a queue of bits that are numbered by how many are ahead of them.

    Assumed: ``take`` only while ``valid``, ``length`` at most the width of the window. Proven by
    induction: every bit of every word that is taken, most significant first, stands in a valid window at
    the place that the bits before it leave it, until it is moved past. The window is there whenever the
    reader holds more bits than a word has, and the reader takes a word whenever it will not.
    """
    m = Module()
    inside = Inside(reader)
    m.submodules.reader = inside.fragment
    drive_freely(m, reader)
    width, window = reader.spec.word_width, reader.spec.code_length
    enters = reader.words.valid & reader.words.ready
    leaving = Mux(reader.take, reader.length, 0)
    m.d.comb += [Assume(~reader.take | reader.valid), Assume(reader.length <= window)]
    unread = count(m, width.bit_length() + 2, Mux(enters, width, 0), leaving, reader.clear)
    place = something(m, range(width), "place")
    m.d.comb += Assume(place < width)
    followed = Followed(
        m,
        enters=enters,
        value=nth_bit(reader.words.payload, place),
        ahead=unread + place,
        leaving=leaving,
        clear=reader.clear,
    )
    seen = nth_bit(reader.window, followed.ahead)
    m.d.comb += [
        Assert(reader.valid == (unread > width), "a window is not there, or has bits that never came in"),
        Assert(
            ~(followed.active & reader.valid & (followed.ahead < window)) | (seen == followed.value),
            "a bit was lost, repeated or changed",
        ),
        Assert(
            reader.words.ready == (~reader.clear & (unread - leaving <= width)), "a word is late or too many"
        ),
    ]
    if invariants:
        _invariants(m, inside, followed, unread)
    return m


def _invariants(m: Module, inside: Inside, followed: Followed, unread: Signal) -> None:
    """What makes the induction close: where the unread bits lie in the two words."""
    first, second = inside.signal("first"), inside.signal("second")
    has_first, has_second = inside.signal("has_first"), inside.signal("has_second")
    pointer = inside.signal("pointer")
    width = len(first)
    there = Mux(has_first, Cat(second, first), second << width)
    bit = nth_bit(there[: 2 * width], pointer + followed.ahead)
    m.d.comb += [
        Assert(pointer < width),
        Assert(has_first | (pointer == 0)),
        Assert(unread + pointer == Mux(has_first, width, 0) + Mux(has_second, width, 0)),
        Assert(~followed.active | ((followed.ahead < unread) & (bit == followed.value))),
    ]


def nth_bit(value: Value, index: Value) -> Value:
    """The bit of ``value`` at ``index``, counted from the most significant one."""
    return (value[::-1] >> index)[0]


@pytest.mark.formal
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_bits_in_order(spec: Spec) -> None:
    prove(bits_in_order(BitReader(spec)))


MUTANTS = {
    "a word too long": ("end >= width", "end > width", "a word is late"),
    "the pointer begins again": ("Mux(beyond, end - width, end)", "Mux(beyond, 0, end)", "lost, repeated"),
    "one word is a window": ("eq(has_first & has_second)", "eq(has_first)", "a window is not there"),
    "a word is overwritten": ("m.If(self.words.ready)", "m.If(1)", "lost, repeated"),
    "clear is forgotten": ("has_first.eq(~self.clear & ", "has_first.eq(", "a window is not there"),
    "clear keeps the pointer": ("pointer.eq(0)", "pointer.eq(pointer)", "lost, repeated"),
    "no word while two are there": ("(~has_second | shift)", "~has_second", "a word is late"),
    "a level too narrow": ("(1 << level) - 1", "(1 << level) - 2", "lost, repeated"),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong", "message"), MUTANTS.values(), ids=MUTANTS)
def test_mutants(right: str, wrong: str, message: str) -> None:
    reader = mutant(shiftbook.hw.engine.bit_reader, right, wrong).BitReader(DEFAULT)
    refute(bits_in_order(reader, invariants=False), message)
