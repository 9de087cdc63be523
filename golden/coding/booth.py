"""Radix-4 digits of a weight: what a multiplier lane is told in its place."""

from __future__ import annotations

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import WEIGHT_WIDTH

DIGITS = WEIGHT_WIDTH // 2
"""Digits of a weight."""


def digits(weight: int) -> tuple[int, ...]:
    """The digits d of a weight, lowest first: it is the sum of ``d[k] * 4**k``.

    A digit is a pair of bits and what the pair below carries, 0 to 4 together. Of the lower digits, 3 and 4
    become -1 and 0 and carry one: they are -1, 0, 1 or 2. Booth's own digits can also be -2; a lane then
    needs a gate more for each bit. The last digit has the sign, carries nothing, and is -2 to 2.

    Parameters
    ----------
    weight
        -128 to 127.

    Raises
    ------
    ShiftbookError
        It is no int8.
    """
    half = 1 << (WEIGHT_WIDTH - 1)
    if not -half <= weight < half:
        raise ShiftbookError(f"weight {weight} does not fit a multiplier lane: it must be in -128..127")
    found = []
    for _ in range(DIGITS - 1):
        digit = weight % 4
        digit -= 4 * (digit == 3)
        found.append(digit)
        weight = (weight - digit) // 4
    return (*found, weight)
