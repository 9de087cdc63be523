"""How many cycles the engine takes, exactly: from the streams' items, without running anything.

Slots walk one output channel together and wait for the slowest at its end; a channel also lasts as long as
the requantizers need to drain the one before. Counts are those of an engine that never waits for a stream,
a parameter or its output.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from golden import items
from golden.network import Conv
from golden.placement import Placement
from golden.spec import Spec
from golden.terms import codeword_work
from golden.tiles import Geometry, fill_words, geometry, owned_lanes

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LayerCycles:
    """What one layer costs on the engine.

    Attributes
    ----------
    durations
        [O] cycles of each output channel in one tile.
    tile_cycles
        Busy cycles of one tile.
    tile_rows
        Codebook rows issued on all slots in one tile; the engine's ``terms`` counter.
    tile_fill
        Cycles in which the tile's words are written; the engine is idle then.
    tiles
        Tiles of the layer.
    owned
        Output pixels: lanes that own one, summed over tiles.
    lane_slots
        Lanes times slots.
    """

    durations: Ints
    tile_cycles: int
    tile_rows: int
    tile_fill: int
    tiles: int
    owned: int
    lane_slots: int

    @property
    def cycles(self) -> int:
        """Busy cycles of the layer."""
        return self.tile_cycles * self.tiles

    @property
    def rows(self) -> int:
        """Codebook rows issued in the layer."""
        return self.tile_rows * self.tiles

    @property
    def fill(self) -> int:
        """Fill cycles of the layer."""
        return self.tile_fill * self.tiles

    @property
    def utilization(self) -> float:
        """Rows that reached a lane with a pixel, of those that all lanes could have taken while busy."""
        return self.tile_rows * self.owned / (self.cycles * self.lane_slots)


def slot_cycles(conv: Conv, placement: Placement, spec: Spec) -> tuple[Ints, int]:
    """[O, W] cycles in which each slot issues an item, by output channel; and all rows issued.

    An escape takes one cycle, a code as many as its codeword has rows. An item belongs to the output
    channel of its target; escapes beyond the last one are never reached.
    """
    outputs = len(conv.weights.integers)
    if spec.feed == "dense":
        each = np.full((outputs, spec.slots), placement.positions, np.int64)
        return each, int(each.sum())
    rows_of_code = codeword_work(conv.weights.codewords, spec)
    books = np.arange(len(rows_of_code))
    span = items.walk_of(conv.weights, placement).span
    result = np.zeros((outputs, spec.slots), np.int64)
    rows = 0
    for slot, item in enumerate(items.items_of(conv.weights, spec.slots, spec)):
        cost = np.where(item.is_escape, 1, rows_of_code[books, item.code].sum(axis=1))
        channel = item.target // span
        reached = channel < outputs
        result[:, slot] = np.bincount(channel[reached], cost[reached], outputs)
        rows += int(cost[~item.is_escape].sum())
    return result, rows


def channel_durations(each: Ints, spec: Spec) -> Ints:
    """[O] cycles of each output channel from the slots' cycles [O, W]."""
    return np.maximum(each.max(axis=1), max(spec.drain_cycles, 1))


def layer_cycles(conv: Conv, source: tuple[int, int, int], spec: Spec) -> LayerCycles:
    """The exact cost of a layer whose input has the shape ``source`` (height, width, channels).

    Raises
    ------
    ShiftbookError
        The layer does not fit the spec.
    """
    placement = items.placement_of(conv.weights, spec.slots, spec)
    layout = geometry(conv, source, placement, spec)
    each, rows = slot_cycles(conv, placement, spec)
    durations = channel_durations(each, spec)
    return LayerCycles(
        durations=durations,
        tile_cycles=spec.start_cycles + int(durations.sum()) + spec.tail_cycles,
        tile_rows=rows,
        tile_fill=fill_words(layout, placement),
        tiles=layout.tiles[0] * layout.tiles[1],
        owned=_owned(layout, spec),
        lane_slots=spec.lanes * spec.slots,
    )


def _owned(layout: Geometry, spec: Spec) -> int:
    return sum(owned_lanes(layout, tile, spec) for tile in np.ndindex(layout.tiles))
