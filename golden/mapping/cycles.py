"""What a pass costs: rows and busy cycles exactly, and all cycles by a model of the bus.

A slot issues a codebook row a cycle. All slots wait for the slowest at the end of each output channel,
and no channel takes fewer cycles than the requantizers need to drain the one before. These counts are
exact: they are those of the engine's own counters where it never waits for a stream or for room.

How long it waits depends on the bus. The model takes a memory that answers ``latency`` cycles after it
was asked and then gives a beat a cycle. It follows the layer's course: tables and the first input, tiles
one after another, each no shorter than its beats take on the bus, the last outputs. docs/accelerator.md
says how far it is from the RTL.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.isa.registers import parameter_word_width
from shiftbook.golden.mapping.groups import ALONE, Groups, deal, sums
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.mapping.spent import Spent, waits_of
from shiftbook.golden.mapping.tiles import owned_lanes
from shiftbook.golden.spec import PARTIAL_BYTES, Spec

Ints = NDArray[np.int64]

LATENCY = 100
"""Of the memory, in cycles, where nothing else is said."""

START_STEPS = 12
"""Cycles from the command that loads the input to its first request, and from its last beat to the tile."""

TILE_STEPS = 3
"""Cycles from a tile's last busy one to the first of the next."""

DRAIN_STEPS = 8
"""Cycles of the pipeline behind the last row of a layer."""

SEND_SHARE = 1.3
"""Cycles that the store takes for a beat: a burst of a few beats takes some cycles to begin."""


@dataclass(frozen=True, eq=False)
class PassCycles:
    """What one pass costs on the accelerator.

    Attributes
    ----------
    durations
        [O] cycles of each output channel in one tile, without waiting.
    tile_busy
        Busy cycles of one tile, without waiting: those of the slowest group.
    tile_rows
        Codebook rows issued on all slots in one tile.
    tiles
        Tiles of the pass.
    owned
        Output pixels: lanes that own one, summed over tiles.
    cycles
        Of the whole pass with its bus traffic, by the model.
    read_beats, write_beats
        Of tensors and streams, without the program.
    spent
        Where the lane-slot-cycles of ``cycles`` go.
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
    rows_of_code = np.full((1, 1), 2) if step.maximum else coding.code_rows
    books = np.arange(len(rows_of_code))
    issued, skipped = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for slot, item in enumerate(coding.items):
        channel, codes = item.target // coding.way.span, ~item.is_escape
        rows = rows_of_code[books, item.code[codes]].sum(axis=1)
        issued[:, slot] = np.bincount(channel[codes], rows, outputs)
        skipped[:, slot] = np.bincount(channel[item.is_escape & (channel < outputs)], minlength=outputs)
    return issued, skipped


def channel_durations(each: Ints, spec: Spec, *, rounds: int = 1) -> Ints:
    """[O] cycles of each output channel from the slots' cycles [O, W] and the rounds of a drain."""
    return np.maximum(each.max(axis=1), rounds * spec.drain_cycles)


def busy_cycles(durations: int, spec: Spec) -> int:
    """Busy cycles of a tile whose output channels take so many; the last one is committed in one more."""
    return spec.start_cycles + durations + 1


def pass_cycles(
    step: Pass,
    spec: Spec,
    *,
    latency: int = LATENCY,
    words: tuple[int, int] = (0, 0),
    groups: Groups = ALONE,
) -> PassCycles:
    """The cost of a pass.

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
    tile_busy = busy_cycles(int(of_groups.max()), spec)
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
    starts = spec.start_cycles + 1 + TILE_STEPS  # see busy_cycles
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
