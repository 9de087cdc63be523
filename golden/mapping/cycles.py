"""What a pass costs: rows and busy cycles exactly, and all cycles by a model of the bus.

A slot issues a codebook row a cycle. All slots wait for the slowest at the end of each output channel,
and no channel takes fewer cycles than the requantizers need to drain the one before. These counts are
exact: they are those of the engine's own counters where it never waits for a stream or for room.

How long it waits depends on the bus. The model takes a memory that answers ``latency`` cycles after it
was asked and then gives a beat a cycle, and follows the layer's course, see `golden.mapping.course`.
docs/accelerator.md says how far it is from the RTL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.mapping.ahead import ahead
from shiftbook.golden.mapping.course.course import Course, Task, follow
from shiftbook.golden.mapping.course.program import Told
from shiftbook.golden.mapping.course.symbols import item_rows
from shiftbook.golden.mapping.course.tile_work import tile_work
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.mapping.spent import Spent, waits_of
from shiftbook.golden.mapping.tiles import owned_lanes
from shiftbook.golden.spec import PARTIAL_BYTES, Spec

Ints = NDArray[np.int64]

LATENCY = 100
"""Of the memory, in cycles, where nothing else is said."""


@dataclass(frozen=True, eq=False)
class PassCycles:
    """What one pass costs on the accelerator.

    Attributes
    ----------
    durations
        [O] cycles of each output channel in one tile, without waiting.
    tile_busy
        Busy cycles of one tile, without waiting.
    tile_rows
        Codebook rows issued on all slots in one tile.
    tiles
        Tiles of the pass.
    owned
        Output pixels: lanes that own one, summed over tiles.
    cycles
        Of the whole pass with its bus traffic, by the model.
    read_beats, write_beats
        Of tensors and streams on the bus, without the program.
    spent
        Where the lane-slot-cycles of ``cycles`` go.
    local_beats
        Of tensors in the tensor buffer, read and written.
    """

    durations: Ints
    tile_busy: int
    tile_rows: int
    tiles: int
    owned: int
    cycles: int
    read_beats: int
    write_beats: int
    spent: Spent
    local_beats: int = 0

    @property
    def busy(self) -> int:
        """Busy cycles of the pass, without waiting."""
        return self.tile_busy * self.tiles

    @property
    def rows(self) -> int:
        """Codebook rows issued in the pass."""
        return self.tile_rows * self.tiles

    @property
    def useful(self) -> int:
        """Rows that reached a lane with a pixel, summed over lanes."""
        return self.tile_rows * self.owned


def utilization(useful: int, cycles: int, spec: Spec) -> float:
    """Share of all lane-slot-cycles in which a row meets a pixel."""
    return useful / (cycles * spec.lanes * spec.slots) if cycles else 0.0


def slot_cycles(step: Pass, spec: Spec) -> tuple[Ints, Ints]:
    """[O, W] cycles in which each slot issues a row, and in which it only skips, by output channel.

    A code takes as many cycles as its codeword has rows, in a maximum two; an escape takes one. An item
    belongs to the output channel of its target; escapes beyond the last one are never reached.
    """
    coding = step.coding
    outputs = len(coding.weights.integers)
    shape = outputs, spec.slots
    if spec.feed == "dense":
        return np.full(shape, coding.placement.positions, np.int64), np.zeros(shape, np.int64)
    issued, skipped = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for slot, item in enumerate(coding.items):
        channel, codes = item.target // coding.way.span, ~item.is_escape
        issued[:, slot] = np.bincount(channel[codes], item_rows(step, item).sum(axis=1), outputs)
        skipped[:, slot] = np.bincount(channel[item.is_escape & (channel < outputs)], minlength=outputs)
    return issued, skipped


def channel_durations(each: Ints, spec: Spec, *, rounds: int = 1) -> Ints:
    """[O] cycles of each output channel from the slots' cycles [O, W] and the rounds of a drain."""
    return np.maximum(each.max(axis=1), rounds * spec.drain_cycles)


def busy_cycles(durations: Ints, spec: Spec) -> int:
    """Busy cycles of a tile whose output channels take these; the last one is committed in one more."""
    return spec.start_cycles + int(durations.sum()) + 1


def pass_cycles(
    step: Pass,
    spec: Spec,
    *,
    latency: int = LATENCY,
    told: Told | None = None,
) -> PassCycles:
    """The cost of a pass alone, in a program that is in the buffer; see `network_cycles`."""
    (found,) = network_cycles([step], spec, latency=latency, told=[told or Told()])
    return found


def network_cycles(
    steps: Sequence[Pass], spec: Spec, *, latency: int = LATENCY, told: Sequence[Told]
) -> list[PassCycles]:
    """The cost of each pass of a program: its cycles are those since all outputs of the one before were sent.

    Parameters
    ----------
    latency
        Of the memory.
    told
        What the memory image has of each.
    """
    slots = [slot_cycles(step, spec) for step in steps]
    works = [tile_work(step, each[0] + each[1], spec) for step, each in zip(steps, slots, strict=True)]
    tasks = list(map(Task, steps, works, ahead(steps, spec), told))
    before, found = -1, []
    for task, each, course in zip(tasks, slots, follow(tasks, spec, latency), strict=True):
        found.append(_cost(task.step, each, course, course.over - before, spec))
        before = course.over
    return found


def _cost(step: Pass, slots: tuple[Ints, Ints], course: Course, cycles: int, spec: Spec) -> PassCycles:
    """What a pass costs that takes so many cycles."""
    issued, skipped = slots
    layout = step.layout
    durations = channel_durations(issued + skipped, spec, rounds=PARTIAL_BYTES if step.partial_out else 1)
    tiles = layout.tiles[0] * layout.tiles[1]
    tile_busy = busy_cycles(durations, spec)
    of_image = np.ndindex(layout.image_rows, layout.tiles[1])
    owned = layout.images * sum(owned_lanes(layout, tile, spec) for tile in of_image)
    if len(step.images) > layout.images:  # joined: each has a pixel of one map
        owned = len(step.images)
    stall = course.waits(tile_busy, spec.start_cycles + int(durations[0]) + 1)
    return PassCycles(
        durations=durations,
        tile_busy=tile_busy,
        tile_rows=int(issued.sum()),
        tiles=tiles,
        owned=owned,
        cycles=cycles,
        read_beats=course.read_beats,
        write_beats=course.write_beats,
        local_beats=course.local_beats,
        spent=_spent(issued, skipped, durations, (tiles, owned, cycles, stall), spec),
    )


def _spent(
    issued: Ints, skipped: Ints, durations: Ints, course: tuple[int, int, int, int], spec: Spec
) -> Spent:
    """Where the cycles of a pass go.

    ``course`` is its tiles, the lanes that own a pixel summed over them, all cycles, and those in which tiles
    wait for their traffic.
    """
    tiles, owned, cycles, waits = course
    everywhere, rows = tiles * spec.lanes, int(issued.sum())
    unused, wait, drain = waits_of(issued, skipped, durations)
    fill = cycles - waits - tiles * int(durations.sum())
    return Spent(
        useful=rows * owned,
        idle=rows * (everywhere - owned) + unused * everywhere,
        skips=int(skipped.sum()) * everywhere,
        slot_wait=wait * everywhere,
        drain=drain * everywhere,
        bus=waits * spec.slots * spec.lanes,
        fill=fill * spec.slots * spec.lanes,
    )
