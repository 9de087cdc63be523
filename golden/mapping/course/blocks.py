"""Where a group of channels lies in the block of a tile."""

from __future__ import annotations

from collections.abc import Iterator

from shiftbook.golden.mapping.job import View
from shiftbook.golden.mapping.tiles import Geometry
from shiftbook.golden.spec import Spec


def block_beats(view: View, tile: int, first: int, spec: Spec) -> range:
    """The address, from the tensor's first beat, of the group in each beat of the block.

    Parameters
    ----------
    tile
        Its number: blocks lie in the order of tiles.
    first
        The group's first channel, of the view's.
    """
    begin = tile * spec.block_beats * view.whole + view.start + first
    return range(begin, begin + spec.block_beats * view.whole, view.whole)


def stored_beats(view: View, layout: Geometry, tile: int, first: int, spec: Spec) -> Iterator[int]:
    """The addresses of a group in the order in which it is stored.

    A tile whose pixels are every second one of the tensor's goes to four blocks: the left two, one above the
    other, and the right two, unless the tensor ends before them.
    """
    if not view.phases:
        own = divmod(tile, layout.tiles[1])
        block = tile if view.region is None else view.region.block(*own, spec)
        yield from block_beats(view, block, first, spec)
        return
    columns = -(-2 * layout.output[1] // spec.cols)  # of the tensor's blocks
    row, column = divmod(tile, layout.tiles[1])
    for right in (0, 1):
        if 2 * column + right < columns:
            for below in (0, 1):
                block = (2 * row + below) * columns + 2 * column + right
                yield from block_beats(view, block, first, spec)
