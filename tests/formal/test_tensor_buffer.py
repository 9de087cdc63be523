"""The tensor buffer gives every beat that it is asked for, once, in order, as it was written."""

from __future__ import annotations

import pytest
from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Assert, Assume, Cover

import shiftbook.hw.system.tensor_buffer
from shiftbook.golden.spec import Spec
from shiftbook.hw.system.tensor_buffer import TensorBuffer
from tests.formal.checks import Followed, drive_freely, past, something
from tests.formal.mutants import mutant
from tests.formal.prove import prove, refute
from tests.formal.test_axi_master import SPEC as MASTERS


class FewWords(Spec):
    """A buffer smaller than any that can be had: each bit of it is a register to the proof."""

    tensor_words = 8


SPEC = FewWords(**{**MASTERS.as_json(), "tensor_kib": 1})
CYCLES = 9

SLOWEST = 2
"""Cycles in which bursts are under way and no beat is offered."""


def kept(buffer: TensorBuffer, byte: int = 0) -> tuple[Module, Signal]:
    """A buffer, and one word of it, any one, of which all writes and one read are followed, in one byte.

    Bursts lie within a multiple of the longest one, no more than may be are under way, and the word is not
    written while a burst that was asked for has not given it. Gives also how many beats were taken.
    """
    m = Module()
    m.submodules.buffer = buffer
    drive_freely(m, buffer)
    longest = SPEC.burst_beats
    bits = longest.bit_length() - 1
    asked = buffer.address.payload
    taken = buffer.read.valid & buffer.read.ready

    number = Signal(range(longest + 1))  # of the beat that is written
    with m.If(buffer.write):
        m.d.sync += number.eq(Mux(buffer.last, 0, number + 1))
    word, index = something(m, range(SPEC.tensor_words), "word"), something(m, range(longest), "index")
    held = Signal(8)  # what the word has in the byte
    known = Signal()  # since it was written
    here = Signal()
    m.d.comb += here.eq(buffer.write & (buffer.word + number == word))
    with m.If(here & buffer.strb[byte]):
        m.d.sync += [held.eq(buffer.data.word_select(byte, 8)), known.eq(1)]

    owed = Signal(8)  # beats that were asked for and not taken
    length = asked.more_beats + 1
    m.d.sync += owed.eq(owed + Mux(buffer.address.valid, length, 0) - taken)
    followed = Followed(
        m,
        enters=buffer.address.valid & (asked.word + index == word) & (index <= asked.more_beats) & known,
        value=Cat(held, index == asked.more_beats),
        ahead=(owed + index)[:8],
        leaving=taken,
        clear=Const(0),
    )
    given = buffer.read.payload.data.word_select(byte, 8)
    late = Signal(range(SLOWEST + 2))
    with m.If((owed != 0) & ~buffer.read.valid):
        m.d.sync += late.eq(late + 1)
    with m.Else():
        m.d.sync += late.eq(0)
    m.d.comb += [
        Assume(~buffer.write | (buffer.word[:bits] + number < longest)),
        Assume(~buffer.address.valid | (asked.word[:bits] + length <= longest)),
        Assume(~buffer.address.valid | (owed < SPEC.outstanding)),  # each burst owes a beat or more
        Assume(~here | ~(followed.active | buffer.address.valid)),
        Assert(~buffer.read.valid | (owed != 0), "a beat that nobody asked for"),
        Assert(late <= SLOWEST, "no beat comes"),
        Assert(
            ~(followed.active & buffer.read.valid & (followed.ahead == 0))
            | (Cat(given, buffer.read.payload.last) == followed.value),
            "another beat than was written",
        ),
    ]
    waits = past(m, buffer.read.valid & ~buffer.read.ready)
    m.d.comb += Assert(~waits | (buffer.read.valid & (given == past(m, given))), "a waiting payload changed")
    count = Signal(4)
    m.d.sync += count.eq(count + (taken & past(m, followed.active)))
    return m, count


@pytest.mark.formal
@pytest.mark.parametrize("byte", [0, SPEC.bus_bytes - 1])
def test_every_beat(byte: int) -> None:
    """Bounded: the first `CYCLES` cycles, from reset."""
    prove(kept(TensorBuffer(SPEC), byte)[0], "bmc", CYCLES)


@pytest.mark.formal
def test_it_gets_somewhere() -> None:
    """What is assumed lets beats be followed and taken."""
    m, count = kept(TensorBuffer(SPEC))
    m.d.comb += Cover(count == 3, "three beats are taken")
    prove(m, "cover", CYCLES)


MUTANTS = {
    "a beat that waits is lost": (
        "fetch.eq((waiting != 0) & (~self.read.valid | self.read.ready))",
        "fetch.eq(waiting != 0)",
        "payload changed|another beat|nobody asked",
    ),
    "a word is read again": (
        "m.d.sync += [number.eq(Mux(ends, 0, number + 1)), self",
        "m.d.sync += [number.eq(0), self",
        "another beat|no beat|nobody asked",
    ),
    "a burst is one longer": ("more_beats)", "more_beats + 1)", "another beat|no beat|nobody asked"),
    "bytes that are not written change": (
        "Mux(self.write, self.strb, 0)",
        "Mux(self.write, ~0, 0)",
        "another beat",
    ),
    "a burst is written from its second word": (
        "m.d.sync += number.eq(Mux(self.last, 0, number + 1))",
        "m.d.sync += number.eq(Mux(self.last, 1, number + 1))",
        "another beat",
    ),
}


@pytest.mark.formal
@pytest.mark.parametrize(("right", "wrong", "message"), MUTANTS.values(), ids=MUTANTS)
def test_mutants(right: str, wrong: str, message: str) -> None:
    refute(
        kept(mutant(shiftbook.hw.system.tensor_buffer, right, wrong).TensorBuffer(SPEC))[0], message, CYCLES
    )
