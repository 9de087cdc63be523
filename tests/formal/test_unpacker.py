"""The unpacker hands out every byte of every word, in order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from amaranth import Module, Mux, Signal
from amaranth.hdl import Assert, Assume

import shiftbook.hw.engine.unpacker
from shiftbook.golden.spec import PRESETS, WEIGHT_WIDTH
from shiftbook.hw.engine.unpacker import Unpacker
from tests.formal.checks import (
    Followed,
    assert_steady,
    count,
    drive_freely,
    something,
)
from tests.formal.mutants import mutant
from tests.formal.prove import Inside, prove, refute

WIDTHS = (16, 32)


def bytes_in_order(unpacker: Unpacker, invariants: bool = True) -> Module:
    """The unpacker, and a queue of bytes that are numbered by how many are ahead of them.

    Nothing is assumed. Proven by induction: each word that is taken gives its bytes, the most significant
    first, each once, in the order of the words; a weight is there one cycle after its word was taken.
    """
    m = Module()
    inside = Inside(unpacker)
    m.submodules.unpacker = inside.fragment
    drive_freely(m, unpacker)
    words, symbols = unpacker.words, unpacker.symbols
    parts = unpacker.spec.word_width // WEIGHT_WIDTH
    enters = words.valid & words.ready
    leaves = symbols.valid & symbols.ready
    held = count(m, 4, Mux(enters, parts, 0), leaves, unpacker.clear)
    place = something(m, range(parts), "place")
    m.d.comb += Assume(place < parts)
    value = (words.payload << (place * WEIGHT_WIDTH))[: len(words.payload)][-WEIGHT_WIDTH:]
    followed = Followed(
        m, enters=enters, value=value, ahead=held + place, leaving=leaves, clear=unpacker.clear
    )
    m.d.comb += [
        Assert(symbols.valid == (held != 0), "a weight comes out that never went in, or does not come out"),
        Assert(
            ~(followed.active & symbols.valid & (followed.ahead == 0))
            | (symbols.payload.as_value() == followed.value),
            "a weight was lost, repeated or changed",
        ),
        Assert(words.ready | unpacker.clear | (held > leaves), "the unpacker does not go on"),
    ]
    assert_steady(m, symbols, unpacker.clear)
    if invariants:
        _invariants(m, inside, followed, held, parts)
    return m


def _invariants(m: Module, inside: Inside, followed: Followed, held: Signal, parts: int) -> None:
    """What makes the induction close: the held bytes are the upper ones of the word."""
    word, part = inside.signal("word"), inside.signal("part")
    at_followed = (word << (followed.ahead * WEIGHT_WIDTH)[:6])[: len(word)][-WEIGHT_WIDTH:]
    m.d.comb += [
        Assert((held == 0) | (held + part == parts)),
        Assert(~followed.active | ((followed.ahead < held) & (at_followed == followed.value))),
    ]


@pytest.mark.formal
@pytest.mark.parametrize("width", WIDTHS)
def test_bytes_in_order(width: int) -> None:
    prove(bytes_in_order(Unpacker(replace(PRESETS["int8"], word_width=width))))


MUTANTS = {
    "the last byte first": ("word[-WEIGHT_WIDTH:]", "word[:WEIGHT_WIDTH]", "lost, repeated or changed"),
    "a byte is dropped": ("part == parts - 1", "part == parts - 2", "does not come out"),
    "a word is overwritten": ("self.symbols.ready & last", "last", "payload changed"),
    "a word is repeated": (
        "self.symbols.valid.eq(self.words.valid)",
        "self.symbols.valid.eq(1)",
        "never went in",
    ),
    "a byte waits for nobody": ("m.Elif(self.symbols.ready)", "m.Else()", "payload changed"),
    "the last byte waits": ("self.symbols.ready & last", "0", "does not go on"),
    "clear is forgotten": ("m.If(self.clear)", "m.If(0)", "never went in"),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong", "message"), MUTANTS.values(), ids=MUTANTS)
def test_mutants(right: str, wrong: str, message: str) -> None:
    unpacker = mutant(shiftbook.hw.engine.unpacker, right, wrong).Unpacker(PRESETS["int8"])
    refute(bytes_in_order(unpacker, invariants=False), message)
