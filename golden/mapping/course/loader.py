"""How a layer's input comes into the banks; see `hw.system.load_planner` and `hw.system.load_writer`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from shiftbook.golden.isa.buffers import LOAD_SEGMENTS
from shiftbook.golden.mapping.course.reader import Reader
from shiftbook.golden.mapping.course.timing import NEVER
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.mapping.memory import TensorLayout
from shiftbook.golden.spec import Spec

WRITTEN_STEPS = 2
"""Cycles from the last word of a column to the one in which a tile may start on it."""

ROW_STEPS = 2
"""Cycles of the planner between two rows of tiles."""


class Segment(NamedTuple):
    """One beat of every channel, or padding.

    Attributes
    ----------
    address
        Of the first beat; None where it is padding.
    steps
        Cycles in which it is written.
    """

    address: int | None
    steps: int


def columns(step: Pass, spec: Spec) -> Iterator[list[list[Segment]]]:
    """Every column that is loaded, in order: for each of its columns of blocks the segments."""
    layout, source = step.layout, step.source
    memory = TensorLayout(*layout.source, source.whole, spec)  # from the first block that is read
    above, before = step.source_block
    row_step = memory.row_step + before * memory.block_step
    start = source.start + above * row_step + before * memory.block_step
    padding = layout.local_channels
    whole_column = padding << (layout.halo_rows + layout.phased)
    for image, row in np.ndindex(layout.images, layout.image_rows):
        at_image = start + image * source.image_step
        beats = [divmod(layout.first_beat + n, spec.block_beats) for n in range(layout.row_beats)]
        lines = [(row * layout.stride + layout.first_block + block, beat) for block, beat in beats]
        for first in range(-layout.left, layout.tiles[1] + layout.right):
            result = []
            for column in range(first * layout.stride, (first + 1) * layout.stride):
                if not 0 <= column < memory.blocks[1]:
                    result.append([Segment(None, whole_column)])
                    continue
                at = at_image + column * memory.block_step
                result.append(
                    [
                        Segment(at + line * row_step + beat * source.whole, source.channels)
                        if 0 <= line < memory.blocks[0]
                        else Segment(None, padding)
                        for line, beat in lines
                    ]
                )
            yield result


class Loader(Reader):
    """Asks for a column after another while the banks have room.

    Parameters
    ----------
    step, spec
        Whose input it is.
    begin
        The cycle of the command.
    may_load
        The first cycle in which a column may be loaded, by the cycle from which on there is room for it, its
        row of tiles, and its number in that; ``NEVER`` while it is not known.
    local
        Whether the input is in the tensor buffer.

    Attributes
    ----------
    there
        For each column, as far as it was asked for, the first cycle in which a tile may start on it.
    over
        The cycle in which all of them are there; ``NEVER`` while it is not known.
    """

    def __init__(
        self,
        step: Pass,
        spec: Spec,
        begin: int,
        may_load: Callable[[int, int, int], int],
        local: bool = False,
    ) -> None:
        self.there: list[int] = []
        self.over = NEVER
        self._may_load = may_load
        self._next: tuple[int, int, int] | None = None  # the column for which there is room, see ``may_load``
        self._room = deque([0] * (1 << step.layout.ring))  # cycles in which places became free
        self._taken = deque([0] * LOAD_SEGMENTS)  # cycles in which the writer took the last segments
        self._written = 0  # the cycle of the last word so far
        super().__init__(self._walk(step, spec, begin + 2), local)

    def release(self, cycle: int, count: int) -> None:
        """Places of columns are free from this cycle on."""
        full = not self._room
        self._room.extend([cycle] * count)
        if full and self.at == NEVER and self._next is None:
            self.resume()

    @property
    def claims(self) -> int:
        """The cycle in which it claims the place of another column, as far as it is known; see `resume`."""
        return NEVER if self._next is None else self._may_load(*self._next)

    def _walk(self, step: Pass, spec: Spec, now: int) -> Iterator[None]:
        """From state to state of the planner; ``now`` is the cycle of the next one."""
        for number, column in enumerate(columns(step, spec)):
            if number and number % step.layout.columns == 0:
                now += ROW_STEPS
            self.at = NEVER
            while not self._room:
                yield
            self._next = max(now, self._room.popleft()), *divmod(number, step.layout.columns)
            yield
            now = self.claims + 1
            self._next = None
            for blocks in column:
                now += 1
                for segment in blocks:
                    pushed = max(now, self._taken.popleft() + 1)
                    taken = max(pushed + 1, self._written)
                    self._taken.append(taken)
                    if segment.address is None:
                        self._written = taken + segment.steps
                        now = pushed + 2
                        continue
                    yield from self.ask(pushed + 1, segment.address, segment.steps, ready=taken + 1)
                    self._written = self.burst.last
                    now = self.granted + 2
            self.there.append(self._written + WRITTEN_STEPS)
        self.over = self.there[-1]
        self.at = NEVER
