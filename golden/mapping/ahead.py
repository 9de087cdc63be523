"""How far a layer's input can be loaded while the layer before still runs.

Two things are in the way. The banks: a layer whose input fits a half of them leaves the other half to the
next one. And what the layer before writes: it is stored tile after tile, so that of a column of the input
only the tiles up to some number must be in memory. The accelerator counts the bursts in which they are
written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.isa.addresses import BURST_WIDTH
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.spec import PARTIAL_BYTES, Spec

Ints = NDArray[np.int64]

EVERYTHING = (1 << BURST_WIDTH) - 1
"""More bursts than the accelerator counts: all outputs of the layer before must be in memory."""


class Ahead(NamedTuple):
    """What the loader is told, see `golden.isa.registers` and `golden.isa.layer_registers`.

    Attributes
    ----------
    half
        Which part of the banks the input has.
    apart
        Whether the layer before uses none of it.
    after, row_step, column_step
        Bursts of the layer before that must be in memory.
    """

    half: int
    apart: bool
    after: int = 0
    row_step: int = 0
    column_step: int = 0


def ahead(steps: Sequence[Pass], spec: Spec) -> list[Ahead]:
    """What each pass of a program may do while the one before runs; halves take turns."""
    found: list[Ahead] = []
    before = None
    for step in steps:
        half, apart = 0, False
        if step.layout.halved:
            apart = bool(found) and found[-1].half != 0
            half = 5 - found[-1].half if apart else 2
        needs = (0, 0, 0) if before is None else _after(before, step, spec)
        found.append(Ahead(half, apart, *needs))
        before = step
    return found


def _after(before: Pass, step: Pass, spec: Spec) -> tuple[int, int, int]:
    """Bursts before the first column, and how many more from row to row and from column to column."""
    read, written = step.source, before.target
    apart = read.first >= written.first + written.channels or written.first >= read.first + read.channels
    others = read.image >= written.image + before.layout.images or (
        written.image >= read.image + step.layout.images
    )
    if read.tensor != written.tensor or apart or others:
        return 0, 0, 0
    if written.phases or written.region is not None:
        return EVERYTHING, 0, 0
    needed = np.concatenate([[0], np.cumsum(bursts(before, spec))])[_tiles(before, step)]
    return _steps(needed)


def bursts(step: Pass, spec: Spec) -> Ints:
    """[tiles] bursts in which each tile of a pass is written; its target has all pixels."""
    each = PARTIAL_BYTES if step.partial_out else 1
    channels = each * len(step.conv.weights.integers)
    first = np.arange(0, channels, spec.group_channels)
    size = np.minimum(spec.group_channels, channels - first)[:, None]
    rows, cols = step.layout.tiles
    block = np.arange(rows * cols)[:, None, None] * spec.block_beats + np.arange(spec.block_beats)
    address = block * step.target.whole + step.target.start + first[:, None]  # [tiles, groups, beats]
    return np.asarray(-(-(address % spec.burst_beats + size) // spec.burst_beats)).sum(axis=(1, 2))


def _tiles(before: Pass, step: Pass) -> Ints:
    """[rows of tiles, columns] tiles of the pass before, in order, up to the last that a column reads."""
    layout, (above, left) = step.layout, step.source_block
    rows, cols = before.layout.image_rows, before.layout.tiles[1]
    image, row = np.divmod(np.arange(layout.tiles[0]), layout.image_rows)
    image += step.source.image - before.target.image  # of those that the pass before makes
    made = (image >= 0) & (image < before.layout.images)
    row = row * layout.stride + layout.last_block + above
    column = (np.arange(layout.columns) - layout.left) * layout.stride + left
    last = np.minimum(column + layout.stride - 1, cols - 1)
    reads = (made & (row >= 0))[:, None] & (last >= 0) & (column < cols)
    row = image * rows + np.minimum(row, rows - 1)
    return np.where(reads, row[:, None] * cols + last + 1, 0)


def _steps(needed: Ints) -> tuple[int, int, int]:
    """The least numbers from which ``after + row row_step + column column_step`` reaches [rows, columns]."""
    rows, columns = (np.arange(size) for size in needed.shape)
    grows = np.where(needed[:, :-1] > 0, np.diff(needed, axis=1), 0)
    column_step = int(grows.max(initial=0))
    of_row = (needed - columns * column_step).max(axis=1)
    after = max(0, int(of_row[0]))
    row_step = max(0, int(np.max(-(-(of_row[1:] - after) // rows[1:]), initial=0)))
    if after + rows[-1] * row_step + len(columns) * column_step >= EVERYTHING:
        return EVERYTHING, 0, 0
    return after, row_step, column_step
