"""Output channels dealt to groups of lanes that share input tiles: a design that is studied, not yet built.

An engine of E groups has E grids of lanes. Each has weight streams, decoders, activation banks, rotators and
requantizers of its own, and computes other output channels of the same tile; what is loaded is written into
the banks of all groups. A group takes its channels one after another and waits for nobody but at the end of
the tile, when the next one begins for all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.spec import Spec

Ints = NDArray[np.int64]

LEAST_BUFFER = 4
"""Beats of a stream's buffer: each holds the symbols of some eighty cycles, and a memory may answer late."""


@dataclass(frozen=True)
class Groups:
    """How many grids of lanes share input tiles, and how memory feeds them.

    The spec beside it describes one group. Its ``bus_bytes`` are a piece of memory: some rows of one
    channel's block of pixels. Where blocks are smaller than a beat of the bus, a beat holds several pieces,
    of channels of different slots, that are written into the banks together.

    Parameters
    ----------
    count
        Groups E.
    pieces
        Pieces of memory in a beat of the bus.
    """

    count: int = 1
    pieces: int = 1

    def beats(self, pieces: int) -> int:
        """Beats that hold so many pieces."""
        return -(-pieces // self.pieces)

    def beat_bytes(self, spec: Spec) -> int:
        """Bytes of a beat of the bus."""
        return spec.bus_bytes * self.pieces

    def buffer_beats(self, spec: Spec) -> int:
        """Beats of each stream's buffer: more streams share the same memory."""
        return max(LEAST_BUFFER, spec.buffer_beats // self.count)


ALONE = Groups()
"""The engine that there is."""


def deal(durations: Ints, count: int) -> Ints:
    """Where the output channels of each group begin, so that the slowest group is as fast as possible.

    Channels stay in order, because those of a group lie together in memory.

    Parameters
    ----------
    durations
        [O] cycles of each output channel.
    count
        Groups.

    Returns
    -------
    bounds
        [count + 1] group g has the channels from ``bounds[g]`` to before ``bounds[g + 1]``; the last groups
        may have none.
    """
    ends = np.concatenate([[0], np.cumsum(durations)])
    low, high = max(int(durations.max(initial=0)), -(-int(ends[-1]) // count)), int(ends[-1])
    while low < high:
        middle = (low + high) // 2
        if _filled(ends, middle, count)[-1] == len(durations):
            high = middle
        else:
            low = middle + 1
    return _filled(ends, low, count)


def _filled(ends: Ints, most: int, count: int) -> Ints:
    """Bounds of groups that take channels as long as they do not need more than ``most`` cycles."""
    bounds = [0]
    for _ in range(count):
        bounds.append(int(np.searchsorted(ends, ends[bounds[-1]] + most, side="right")) - 1)
    return np.array(bounds, np.int64)


def sums(values: Ints, bounds: Ints) -> Ints:
    """[E, ...] of each group, from those of output channels [O, ...]."""
    before = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
    result: Ints = before[bounds[1:]] - before[bounds[:-1]]
    return result
