"""Radix-4 digits of a weight: what a multiplier lane is told in its place."""

from __future__ import annotations

from shiftbook.golden.errors import ShiftbookError


def digit_count(width: int) -> int:
    """Digits of a weight of so many bits."""
    return width // 2


def digits(weight: int, width: int) -> tuple[int, ...]:
    """The digits d of a weight, lowest first: it is the sum of ``d[k] * 4**k``.

    A digit is a pair of bits and what the pair below carries, 0 to 4 together. Of the lower digits, 3 and 4
    become -1 and 0 and carry one: they are -1, 0, 1 or 2. Booth's own digits can also be -2; a lane then
    needs a gate more for each bit. The last digit has the sign, carries nothing, and is -2 to 2.

    Parameters
    ----------
    weight
        ``-2**(width - 1)`` to ``2**(width - 1) - 1``.
    width
        Bits of the weight, an even number.

    Raises
    ------
    ShiftbookError
        It is no integer of so many bits.
    """
    half = 1 << (width - 1)
    if not -half <= weight < half:
        raise ShiftbookError(
            f"weight {weight} does not fit a multiplier lane: it must be in {-half}..{half - 1}"
        )
    found = []
    for _ in range(digit_count(width) - 1):
        digit = weight % 4
        digit -= 4 * (digit == 3)
        found.append(digit)
        weight = (weight - digit) // 4
    return (*found, weight)
