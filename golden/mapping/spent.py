"""Where the lane-slot-cycles of a pass go: each lane, in each weight slot, in each cycle, to one part.

A cycle of the whole engine is lost first (bus, fill), then a cycle of a slot (drain, slot wait, skips), and a
lane only where its slot issues a row. So a part says what its cause costs on all lanes, and the parts add
up to cycles x lanes x slots.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Spent:
    """Lane-slot-cycles by cause.

    Attributes
    ----------
    useful
        A row is added in a lane that holds an output pixel.
    idle
        The map does not fill the lanes: a row meets a lane without an output pixel. Or the channels do not
        fill the slots: a slot that has no weight in the whole pass waits for the others.
    skips
        A slot skips more zeros than one gap says.
    slot_wait
        A slot waits for the slowest at the end of an output channel.
    drain
        All slots wait until the requantizers have emptied the lanes.
    bus
        A tile takes longer because of its traffic: input, streams, residuals and outputs.
    fill
        Everything around the tiles' rows: the program, the first input and streams, starts of tiles, the last
        outputs.
    """

    useful: int = 0
    idle: int = 0
    skips: int = 0
    slot_wait: int = 0
    drain: int = 0
    bus: int = 0
    fill: int = 0

    @property
    def total(self) -> int:
        """Lane-slot-cycles of all parts."""
        return sum(astuple(self))

    def share(self, part: str) -> float:
        """Of all, in 0..1; 0 where there are none."""
        value: int = getattr(self, part)
        return value / self.total if self.total else 0.0


PARTS = tuple(field.name for field in fields(Spent))
"""Names of the parts, in the order of tables and plots."""


def spent_together(each: Iterable[Spent]) -> Spent:
    """The sum of several passes or layers."""
    return Spent(*(sum(values) for values in zip(*map(astuple, each), strict=True)))


def waits_of(issued: Ints, skipped: Ints, durations: Ints) -> tuple[int, int, int]:
    """Slot-cycles of one tile in which slots that have no weight, and slots that have, wait for the slowest,
    and in which all wait for the drain.

    Parameters
    ----------
    issued, skipped
        [O, W] cycles in which each slot issues a row, and in which it only skips, by output channel.
    durations
        [O] cycles of each output channel.
    """
    each = issued + skipped
    slowest = each.max(axis=1)
    waits = (slowest[:, None] - each).sum(axis=0)
    without = ~issued.any(axis=0)
    drain = issued.shape[1] * (durations - slowest).sum()
    return int(waits[without].sum()), int(waits[~without].sum()), int(drain)
