"""Where a group of channels lies in the block of a tile."""

from __future__ import annotations

from shiftbook.golden.mapping.job import View
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
    begin = tile * spec.block_beats * view.whole + view.first + first
    return range(begin, begin + spec.block_beats * view.whole, view.whole)
