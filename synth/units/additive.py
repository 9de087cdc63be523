"""Additive quantization: a weight is the sum of M codewords' weights, each a power of two.

Source: arXiv 2111.10320. Vectors have d weights; each of M codebooks has K codewords.
"""

from __future__ import annotations

import numpy as np
from amaranth import Array, Signal, Value, unsigned
from amaranth.lib import data

from shiftbook.synth.units.shift import Shift
from shiftbook.synth.units.unit import Ints, Unit, total

BOOKS, CODEWORDS, DIM = 2, 16, 9
"""M, K, d: a vector is one 3 x 3 kernel. More words would exceed the 65,536 port bits of Amaranth."""

WORD = total(Shift.addends(Signal(8), Signal(Shift.weight))[0] * DIM).width
"""Bits of a codeword's dot product with a vector, ``DIM * Shift.offset`` too large."""


class AdditiveTerms(Unit):
    """Adds the shift terms of all codewords: M terms a weight."""

    title = "additive, 2 terms a weight"
    weight = data.ArrayLayout(Shift.weight, BOOKS)
    offset = BOOKS * Shift.offset

    @staticmethod
    def addends(x: Value, w: data.View) -> list[list[Value]]:
        return [[value for code in w for value in Shift.addends(x, code)[0]]]

    @classmethod
    def golden(cls, x: Ints, w: Ints, scales: Ints) -> Ints:
        width = Shift.weight.size
        terms = [w >> book * width & ((1 << width) - 1) for book in range(BOOKS)]
        return np.sum([Shift.golden(x, term, scales) for term in terms], axis=0)


class AdditiveLookup(Unit):
    """Adds words out of tables of dot products: M words for a vector of d weights.

    An activation is the vector's dot products with all codewords of all codebooks, which the output channels
    of a pixel share: they are `Group` modules of `Shift`. A weight is M codes.
    """

    title = "additive, look-up: d 9, M 2, K 16"
    activation = data.ArrayLayout(data.ArrayLayout(unsigned(WORD), CODEWORDS), BOOKS)
    weight = data.ArrayLayout(range(CODEWORDS), BOOKS)
    offset = BOOKS * DIM * Shift.offset
    group = 5
    macs = DIM

    @staticmethod
    def addends(x: data.View, w: data.View) -> list[list[Value]]:
        return [[Value.cast(Array(words)[code]) for words, code in zip(x, w, strict=True)]]

    @classmethod
    def golden(cls, x: Ints, w: Ints, scales: Ints) -> Ints:
        codes = [w >> 4 * book & (CODEWORDS - 1) for book in range(BOOKS)]
        places = [WORD * (CODEWORDS * book + code) for book, code in enumerate(codes)]
        words = [(x >> place.astype(object)) & ((1 << WORD) - 1) for place in places]
        return np.sum(words, axis=0).sum(axis=-1) - cls.offset * x.shape[-1]
