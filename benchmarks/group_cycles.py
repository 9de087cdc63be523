"""What a pass costs on an engine of groups of lanes, in closed form: see `benchmarks.lane_groups`.

Loads, computing and stores are taken to overlap within each tile but for the first and the last. Passes do
not overlap, as in the accelerator when the study was made. The cycle model of the engine that there is
(`golden.mapping.cycles`) follows every burst, and passes that overlap.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.lane_groups import ALONE, Groups, deal, sums
from shiftbook.golden.isa.registers import parameter_word_width
from shiftbook.golden.mapping.cycles import LATENCY, PassCycles, channel_durations, slot_cycles
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.mapping.spent import Spent, waits_of
from shiftbook.golden.mapping.tiles import owned_lanes
from shiftbook.golden.spec import PARTIAL_BYTES, Spec

Ints = NDArray[np.int64]

START_STEPS = 12
"""Cycles from the command that loads the input to its first request, and from its last beat to the tile."""

TILE_STEPS = 3
"""Cycles from a tile's last busy one to the first of the next."""

DRAIN_STEPS = 8
"""Cycles of the pipeline behind the last row of a layer."""

SEND_SHARE = 1.3
"""Cycles that the store takes for a beat: a burst of a few beats takes some cycles to begin."""


def group_cycles(
    step: Pass,
    spec: Spec,
    *,
    latency: int = LATENCY,
    words: tuple[int, int] = (0, 0),
    groups: Groups = ALONE,
) -> PassCycles:
    """The cost of a pass on an engine of groups.

    Parameters
    ----------
    latency
        Of the memory.
    words
        Words of the program before the input is loaded, and after that.
    groups
        Grids of lanes like the spec's that share the output channels.
    """
    issued, skipped = slot_cycles(step, spec)
    layout = step.layout
    durations = channel_durations(issued + skipped, spec, rounds=PARTIAL_BYTES if step.partial_out else 1)
    tiles = layout.tiles[0] * layout.tiles[1]
    bounds = deal(durations, groups.count)
    of_groups = sums(durations, bounds)
    tile_busy = spec.start_cycles + int(of_groups.max()) + 1
    column = layout.row_beats * layout.stride * step.source.channels  # beats of a column with all its halo
    reads, writes = _beats(step, spec, column, tiles, (groups, sums(issued + skipped, bounds), bounds))
    columns = 1 + layout.left * (not layout.wrap) + layout.right
    first = latency + START_STEPS + groups.beats(column * columns)
    stall = max(0, -(-max(reads, writes) // tiles) - tile_busy - TILE_STEPS)
    last = groups.beats(min(groups.count * spec.group_channels, len(durations)) * spec.block_beats)
    tail = DRAIN_STEPS + spec.drain_cycles + round(SEND_SHARE * last) + latency
    around = words[0] + max(first, words[1] + latency) + tail
    owned = sum(owned_lanes(layout, tile, spec) for tile in np.ndindex(layout.tiles))
    return PassCycles(
        durations=durations,
        tile_busy=tile_busy,
        tile_rows=int(issued.sum()),
        tiles=tiles,
        owned=owned,
        cycles=around + (tile_busy + TILE_STEPS + stall) * tiles,
        read_beats=reads,
        write_beats=writes,
        spent=_spent(issued, skipped, durations, of_groups, (tiles, owned, around, stall), spec),
    )


def _spent(
    issued: Ints,
    skipped: Ints,
    durations: Ints,
    of_groups: Ints,
    course: tuple[int, int, int, int],
    spec: Spec,
) -> Spent:
    """Where the cycles of a pass go, with those of each group.

    ``course`` is its tiles, the lanes that own a pixel summed over them, the cycles before the first tile and
    after the last, and those in which each tile waits for its traffic.
    """
    tiles, owned, around, stall = course
    everywhere, rows = tiles * spec.lanes, int(issued.sum())
    unused, wait, drain = waits_of(issued, skipped, durations)
    group_waits = spec.slots * (of_groups.max() - of_groups)
    unused += int(group_waits[of_groups == 0].sum())
    wait += int(group_waits[of_groups > 0].sum())
    starts = spec.start_cycles + 1 + TILE_STEPS  # see group_cycles
    return Spent(
        useful=rows * owned,
        idle=rows * (everywhere - owned) + unused * everywhere,
        skips=int(skipped.sum()) * everywhere,
        slot_wait=wait * everywhere,
        drain=drain * everywhere,
        bus=stall * len(of_groups) * spec.slots * everywhere,
        fill=(around + starts * tiles) * len(of_groups) * spec.lanes * spec.slots,
    )


def _beats(
    step: Pass, spec: Spec, column: int, tiles: int, shared: tuple[Groups, Ints, Ints]
) -> tuple[int, int]:
    """Beats that are read and written, where a column of the input with its halo takes ``column`` pieces.

    ``shared`` is how groups share the output channels: see `_stream_beats`.
    """
    groups = shared[0]
    bytes_in, bytes_out = (PARTIAL_BYTES if partial else 1 for partial in (step.partial_in, step.partial_out))
    outputs = groups.beats(spec.block_beats * len(step.conv.weights.integers) * tiles)
    fetched, repeated = _stream_beats(step, spec, *shared)
    loads = groups.beats(column * step.layout.tiles[0] * step.layout.columns)
    residual = bytes_in * outputs if step.residual is not None else 0
    return loads + fetched + repeated * tiles + residual, bytes_out * outputs


def _stream_beats(step: Pass, spec: Spec, groups: Groups, each: Ints, bounds: Ints) -> tuple[int, int]:
    """Beats of streams that are fetched once, and of those that every tile fetches.

    A slot's streams are cut where its group's channels end: each group gets as much of them as its slot
    has of the cycles ``each`` [E, W].
    """
    beat = 8 * groups.beat_bytes(spec)
    outputs = np.diff(bounds)
    sizes = [parameter_word_width(spec) * outputs]
    if spec.feed == "dense":
        sizes += [spec.weight_width * step.placement.positions * outputs] * spec.slots
    else:
        share = each / np.maximum(each.sum(axis=0), 1)
        held = (outputs > 0)[:, None] * 2 * spec.word_width
        coded = step.coding.streams
        for streams in (coded.gaps, coded.codes):
            whole = np.array([stream.bits // spec.word_width for stream in streams]) * spec.word_width
            sizes += list((np.ceil(share * whole).astype(np.int64) + held).T) if streams else []
    beats = -(-np.array(sizes) // beat)
    once = int(beats[beats <= groups.buffer_beats(spec)].sum())
    return once, int(beats.sum()) - once
