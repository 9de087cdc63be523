"""Sparse weights whose sums would be too wide for an accumulator: a coarser grid, and fewer of the smallest.

An 18-bit accumulator holds a sum of 514 steps of weights times 255, which an output channel with hundreds of
kept weights exceeds. Two things make it smaller: halving all weights (their step doubles, powers of two stay
powers of two), which loses those of one step; and leaving out the smallest, which change the sum at the least
squared error. Of 0 to 3 halvings, each with as many left out as must be, the one that errs least is taken.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shiftbook.frontend.lowering.coarsen import ROOM, Reals, demand
from shiftbook.golden.model.integer import LARGEST_ACTIVATION

Integers = NDArray[np.int16]

HALVINGS = 4
"""Grids that are tried: of 1, 2, 4 and 8 steps."""


def narrow(
    integers: Integers, gain: Reals, offset: Reals, still: NDArray[np.bool_], width: int
) -> tuple[Integers, Reals]:
    """Weights and gains that fit an accumulator; those of channels that fit already are as they were.

    Parameters
    ----------
    integers
        [O, ...] weights.
    gain, offset
        [O], steps of the output that one step of the accumulator is, not negative, and that are added. A
        channel whose offset alone does not fit stays as it was.
    still
        [O] channels to leave alone: they need no accumulator.
    width
        Bits of the accumulator.
    """
    limit = ROOM * (1 << width - 1)
    result, gains = integers.copy(), gain.copy()
    for channel in np.flatnonzero(~still & (demand(integers, gain, offset) > limit)):
        added = abs(offset[channel]) / max(gain[channel], 1e-300)
        result[channel], factor = _narrowed(integers[channel], limit, added)
        gains[channel] *= factor
    return result, gains


def _narrowed(row: Integers, limit: float, added: float) -> tuple[Integers, int]:
    """One channel's weights, and the steps of their grid; ``added`` is the offset in steps of the old one."""
    best, least, chosen = row, np.inf, 1
    for factor in (1 << halvings for halvings in range(HALVINGS)):
        room = (limit - added / factor) / LARGEST_ACTIVATION
        kept = _largest(np.rint(row / factor).astype(np.int16), room)
        error = float(np.square(kept.astype(np.int64) * factor - row).sum())
        if room >= 1 and error < least:
            best, least, chosen = kept, error, factor
    return best, chosen


def _largest(row: Integers, room: float) -> Integers:
    """The largest weights of each sign whose sum has ``room``; 0 in place of the others."""
    flat = row.ravel().copy()
    for sign in (1, -1):
        places = np.flatnonzero(sign * flat > 0)
        places = places[np.argsort(-np.abs(flat[places]), kind="stable")]
        sums = np.cumsum(np.abs(flat[places]).astype(np.int64))
        flat[places[sums > room]] = 0
    return flat.reshape(row.shape)
