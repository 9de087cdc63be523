"""Codebook rows: how a lane says an integer, T shifted copies of the activation at a time."""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shiftbook.golden.coding import booth
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import DEFAULT, Spec

MAX_ROWS = 4
"""Rows of one codebook entry; four rows of one term each say every int8."""


class Term(NamedTuple):
    """``sign * (x << exponent)``, sign -1 or 1."""

    sign: int
    exponent: int

    @property
    def value(self) -> int:
        """What the term multiplies an activation with."""
        return self.sign << self.exponent


ShiftRow = tuple[Term | None, ...]
"""One optional term for each exponent range of the spec."""

Row = ShiftRow | int
"""What a slot issues in one cycle: terms, or the int8 weight of a multiplier lane."""

Ranges = tuple[tuple[int, int], ...]


def rows_of(value: int, spec: Spec) -> tuple[Row, ...]:
    """The shortest list of rows whose sum is ``value``; of those, one with the fewest terms.

    Parameters
    ----------
    value
        The integer weight. 0 is one row without terms.
    spec
        Its lane and exponent ranges.

    Raises
    ------
    ShiftbookError
        The spec cannot represent this value in four rows (shift lanes), or it is no int8 (multiplier lanes).
    """
    value = int(value)
    if spec.lane == "multiply":
        booth.digits(value, spec.weight_width)  # refuses what does not fit
        return (value,)
    for count in range(1, MAX_ROWS + 1):
        rows = _sum_of_rows(value, count, spec.terms)
        if rows is not None:
            return rows
    raise ShiftbookError(
        f"weight {value} needs more than {MAX_ROWS} rows of terms with exponents in {spec.terms}: "
        f"take an engine with wider ranges, such as {DEFAULT.terms} of the preset shift"
    )


def sayable(value: int, spec: Spec) -> bool:
    """Whether a lane of this spec can say the weight; see `rows_of`."""
    try:
        rows_of(value, spec)
    except ShiftbookError:
        return False
    return True


def codeword_rows(codeword: ArrayLike, spec: Spec) -> tuple[tuple[int, Row], ...]:
    """The rows of a codeword [d], each with the place of its weight in the vector.

    A weight of 0 needs none; a codeword of zeros is one row without terms.
    """
    values = np.asarray(codeword, np.int64)
    places = np.flatnonzero(values) if values.any() else np.zeros(1, np.int64)
    return tuple((int(place), row) for place in places for row in rows_of(int(values[place]), spec))


def work(codebook: NDArray[np.int16], spec: Spec) -> NDArray[np.int64]:
    """[K] cycles that each codebook entry takes: its rows."""
    return np.array([len(rows_of(int(value), spec)) for value in codebook], dtype=np.int64)


def codeword_work(codewords: NDArray[np.int16], spec: Spec) -> NDArray[np.int64]:
    """[M, K] cycles that each codeword of [M, K, d] takes."""
    values, index = np.unique(codewords, return_inverse=True)
    cycles = np.where(values == 0, 0, work(values, spec))[index.reshape(codewords.shape)]
    result: NDArray[np.int64] = np.maximum(cycles.sum(axis=2), 1)
    return result


def codeword_terms(codewords: NDArray[np.int16]) -> NDArray[np.int64]:
    """[M, K] signed powers of two in each codeword of [M, K, d], on lanes of the default spec."""
    values, index = np.unique(codewords, return_inverse=True)
    terms = np.array([term_count(rows_of(int(value), DEFAULT)) for value in values], np.int64)
    result: NDArray[np.int64] = terms[index.reshape(codewords.shape)].sum(axis=2)
    return result


def term_count(rows: tuple[Row, ...]) -> int:
    """Terms that shift rows issue; rows of a multiplier lane count one each, unless zero."""
    return sum(
        int(row != 0) if isinstance(row, int) else sum(term is not None for term in row) for row in rows
    )


@lru_cache(maxsize=64)
def _single_rows(ranges: Ranges) -> dict[int, ShiftRow]:
    """Every value that one row can say, with the row of fewest terms that says it."""
    choices = [
        [None, *(Term(sign, exponent) for exponent in range(low, high + 1) for sign in (1, -1))]
        for low, high in ranges
    ]
    best: dict[int, ShiftRow] = {}
    for row in product(*choices):
        value = sum(term.value for term in row if term is not None)
        if value not in best or term_count((row,)) < term_count((best[value],)):
            best[value] = row
    return best


@lru_cache(maxsize=1 << 16)
def _sum_of_rows(value: int, count: int, ranges: Ranges) -> tuple[ShiftRow, ...] | None:
    """``count`` rows whose sum is ``value``, with the fewest terms; None if there are none."""
    single = _single_rows(ranges)
    if abs(value) > count * max(single):
        return None
    if count == 1:
        return (single[value],) if value in single else None
    best: tuple[ShiftRow, ...] | None = None
    for step, row in single.items():
        rest = _sum_of_rows(value - step, count - 1, ranges)
        if rest is not None and (best is None or term_count((row, *rest)) < term_count(best)):
            best = (row, *rest)
    return best
