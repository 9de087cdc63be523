"""Int8 weights on a coarser grid in the channels whose accumulator or bias would be too wide.

The largest weight of a channel is 127 whatever the channel does. Two kinds ask for more than 24 bits then:
those with thousands of inputs (the first fully connected layer of VGG-11 has 25,088), and those whose batch
norm has almost no gain, so that its offset is many steps of the accumulator. In both a weight's step is far
below what the output can tell apart, so a larger one costs little: with n inputs the error that rounding adds
grows as the square root of n, and the sum that must fit as n.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.model.integer import LARGEST_ACTIVATION

Reals = NDArray[np.float64]

ROOM = 15 / 16
"""Share of the accumulator's range to fill; the multiplier's rounding moves the bias by some percent."""

ROUNDS = 20
"""Rounding to a coarser grid can make a sum larger, and another factor is tried then."""


def coarsen(
    integers: NDArray[np.int16], gain: Reals, offset: Reals, still: NDArray[np.bool_], width: int
) -> tuple[NDArray[np.int16], Reals]:
    """Weights and gains that fit an accumulator; those of channels that fit already are as they were.

    Parameters
    ----------
    integers
        [O, ...], -127..127.
    gain, offset
        [O], steps of the output that one step of the accumulator is, not negative, and that are added.
    still
        [O] channels to leave alone: they need no accumulator.
    width
        Bits of the accumulator.
    """
    limit = ROOM * (1 << width - 1)
    column = (-1, *(1,) * (integers.ndim - 1))
    factor = np.ones(len(integers))
    result = integers
    for _ in range(ROUNDS):
        over = np.where(still, 0.0, demand(result, gain * factor, offset)) / limit
        if (over <= 1).all():
            break
        factor *= np.maximum(over, 1.0) * np.where(over > 1, 1.001, 1.0)
        result = np.rint(integers / factor.reshape(column)).astype(np.int16)
    return result, gain * factor


def demand(integers: NDArray[np.int16], gain: Reals, offset: Reals) -> Reals:
    """[O] the largest magnitude that the accumulator with its bias can have, whatever the zero point."""
    weights = integers.reshape(len(integers), -1).astype(np.int64)
    sums = np.maximum(np.maximum(weights, 0).sum(1), np.maximum(-weights, 0).sum(1))
    return sums * LARGEST_ACTIVATION + np.abs(offset) / np.maximum(gain, 1e-300)
