"""The unpacker hands out every weight of every word, in order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from amaranth import Module, Mux, Signal
from amaranth.hdl import Assert, Assume

import shiftbook.hw.engine.unpacker
from shiftbook.golden.spec import PRESETS, Spec
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

WIDTHS = ((16, 8), (32, 8), (16, 4))
"""Bits of a word and of a weight."""


def weights_in_order(unpacker: Unpacker, invariants: bool = True) -> Module:
    """The unpacker, and a queue of weights that are numbered by how many are ahead of them.

    Nothing is assumed. Proven by induction: each word that is taken gives its weights, the most significant
    first, each once, in the order of the words; a weight is there one cycle after its word was taken.
    """
    m = Module()
    inside = Inside(unpacker)
    m.submodules.unpacker = inside.fragment
    drive_freely(m, unpacker)
    words, symbols = unpacker.words, unpacker.symbols
    width = unpacker.spec.weight_width
    parts = unpacker.spec.word_width // width
    enters = words.valid & words.ready
    leaves = symbols.valid & symbols.ready
    held = count(m, 4, Mux(enters, parts, 0), leaves, unpacker.clear)
    place = something(m, range(parts), "place")
    m.d.comb += Assume(place < parts)
    value = (words.payload << (place * width))[: len(words.payload)][-width:]
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
        _invariants(m, inside, followed, held, unpacker.spec)
    return m


def _invariants(m: Module, inside: Inside, followed: Followed, held: Signal, spec: Spec) -> None:
    """What makes the induction close: the held weights are the upper ones of the word."""
    width = spec.weight_width
    word, part = inside.signal("word"), inside.signal("part")
    at_followed = (word << (followed.ahead * width)[:6])[: len(word)][-width:]
    m.d.comb += [
        Assert((held == 0) | (held + part == spec.word_width // width)),
        Assert(~followed.active | ((followed.ahead < held) & (at_followed == followed.value))),
    ]


@pytest.mark.formal
@pytest.mark.parametrize(("word", "weight"), WIDTHS)
def test_weights_in_order(word: int, weight: int) -> None:
    prove(weights_in_order(Unpacker(replace(PRESETS["int8"], word_width=word, weight_width=weight))))


MUTANTS = {
    "the last weight first": ("word[-width:]", "word[:width]", "lost, repeated or changed"),
    "a weight is dropped": ("part == parts - 1", "part == parts - 2", "does not come out"),
    "a word is overwritten": ("self.symbols.ready & last", "last", "payload changed"),
    "a word is repeated": (
        "self.symbols.valid.eq(self.words.valid)",
        "self.symbols.valid.eq(1)",
        "never went in",
    ),
    "a weight waits for nobody": ("m.Elif(self.symbols.ready)", "m.Else()", "payload changed"),
    "the last weight waits": ("self.symbols.ready & last", "0", "does not go on"),
    "clear is forgotten": ("m.If(self.clear)", "m.If(0)", "never went in"),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong", "message"), MUTANTS.values(), ids=MUTANTS)
def test_mutants(right: str, wrong: str, message: str) -> None:
    unpacker = mutant(shiftbook.hw.engine.unpacker, right, wrong).Unpacker(PRESETS["int8"])
    refute(weights_in_order(unpacker, invariants=False), message)
