"""How a layer is cut into tiles, how its input lies in the activation banks, and how taps find it there.

The output is cut into tiles of ``rows x cols`` pixels, one a lane. The input is cut into blocks of as many
pixels, see `golden.mapping.memory`, and its columns are loaded one group of ``stride`` columns of blocks
after another; group q belongs to tile column q. Along an axis with R lanes, lane r of a tile reads, for a tap
at distance i = tap - padding, the pixel ``stride * r + i`` from the tile's own first pixel.

With stride 1 the pixel at distance u lies in bank u mod R, in block u div R. With stride 2 pixels of even and
odd distance are two phases. The pixel 2 j of phase 0 takes u = j, the pixel 2 j + 1 of phase 1 takes
u = j + ceil(R / 2): so the pixels of a beat lie in as many banks and are written in one cycle. A tap then is
an offset u0 again: lane r reads u = u0 + r.

A word of a bank is addressed by its channel, its phase, whether its block is the tile's own in the vertical
direction, and by its column of blocks modulo a power of two (the ring), so that columns that neighbouring
tiles share are loaded once and the next column is loaded while a tile runs. Two layers can share the banks:
one has the even places of a ring, the other the odd ones. These bits stand above the
channel at the places that `address_bits` gives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.coding.placement import Placement, TableEntry
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.integer import output_size
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.spec import MAX_RING, Spec

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Geometry:
    """One layer on the grid.

    Attributes
    ----------
    source, output
        Rows and columns of the input and of the output.
    tiles
        Rows and columns of tiles; the images of a batch are below each other.
    stride
        1 or 2.
    phased
        Whether taps read odd distances at stride 2, so that words have phases.
    first_block, first_beat
        Of the input rows that a tile needs: the block, counted from the tile's first one, and the beat of
        the block.
    row_beats
        Beats of one channel and one column of blocks that a tile needs.
    last_block
        Block of the last of these rows.
    first_banks, last_banks
        Rows of banks that take pixels of the first and of the last block; bit r is row r. The others may
        hold what is needed of other blocks.
    halo_rows
        Whether taps read blocks above or below the tile's own.
    left, right
        1 where tiles read the group of columns on that side, else 0.
    wrap
        Whether the layer has one tile column and reads nothing but padding beside it, so that both sides
        share one column of the ring.
    ring
        Bits of the number of columns that the banks hold; see `in_banks`.
    halved
        Whether these are every second one of a ring of twice as many, so that two layers share the banks.
    local_channels
        The most channels that a slot holds; 0 before `in_banks` says it.
    images
        How many images of a batch there are; all else but ``tiles`` is of one.
    """

    source: tuple[int, int]
    output: tuple[int, int]
    tiles: tuple[int, int]
    stride: int
    phased: bool
    first_block: int
    first_beat: int
    row_beats: int
    last_block: int
    first_banks: int
    last_banks: int
    halo_rows: bool
    left: int
    right: int
    wrap: bool
    ring: int
    halved: bool
    local_channels: int
    images: int = 1

    @property
    def image_rows(self) -> int:
        """Rows of tiles of an image."""
        return self.tiles[0] // self.images

    @property
    def ring_bits(self) -> int:
        """Bits of the number of columns of the whole ring."""
        return self.ring + self.halved

    @property
    def columns(self) -> int:
        """Groups of columns that are loaded for a row of tiles."""
        return self.tiles[1] + self.left + self.right


class Tap(NamedTuple):
    """What the hardware's tap table holds.

    Attributes
    ----------
    base
        Address of the entry's first channel, with its phase.
    oy, ox
        Offset of the pixel, modulo the lanes.
    far
        1 where lane 0 reads another block than the tile's own in the vertical direction.
    column
        -1, 0 or 1: the column of blocks, from the tile's own, in which lane 0 reads.
    """

    base: int
    oy: int
    ox: int
    far: int
    column: int


class Reach(NamedTuple):
    """What the taps of one axis need.

    Attributes
    ----------
    first, last
        Distances of the first and last input pixel that the lanes of a tile read.
    offsets
        u0 of each tap.
    phases
        Phase of each tap.
    """

    first: int
    last: int
    offsets: tuple[int, ...]
    phases: tuple[int, ...]


def half(lanes: int) -> int:
    """u of the first pixel of phase 1."""
    return -(-lanes // 2)


def reach(kernel: int, dilation: int, stride: int, padding: int, lanes: int, used: int) -> Reach:
    """What an axis needs, with ``used`` of its lanes in the fullest tile."""
    distances = [dilation * tap - padding for tap in range(kernel)]
    phases = tuple(i % stride for i in distances)
    offsets = tuple((i - p) // stride + p * half(lanes) for i, p in zip(distances, phases, strict=True))
    return Reach(-padding, stride * (used - 1) + distances[-1], offsets, phases)


def geometry(conv: Conv, source: tuple[int, int], spec: Spec) -> Geometry:
    """Lay out a layer, of however many channels.

    Parameters
    ----------
    source
        Height and width of the layer's input.

    Raises
    ------
    ShiftbookError
        The strides are not both 1 or both 2, or a tap looks further than one block.
    """
    layout, rows, cols = _laid_out(conv, source, spec)
    if _too_far(layout, rows, cols, spec):
        before, after = max(-rows.first, -cols.first), max(rows.offsets) + 1
        raise ShiftbookError(
            f"layer {conv.name}: its kernel with padding {conv.padding}{_dilated(conv)} looks too far for "
            f"{spec.rows}x{spec.cols} lanes: {before} pixels before and about {after} after a lane's own"
        )
    return layout


def within_reach(conv: Conv, source: tuple[int, int], spec: Spec) -> bool:
    """Whether no tap of a layer looks further than `geometry` allows.

    Raises
    ------
    ShiftbookError
        The strides are not both 1 or both 2.
    """
    return not _too_far(*_laid_out(conv, source, spec), spec)


def _laid_out(conv: Conv, source: tuple[int, int], spec: Spec) -> tuple[Geometry, Reach, Reach]:
    """A layer on the grid, and what both axes need, wherever its taps look."""
    _, kernel_rows, kernel_cols, _ = conv.weights.integers.shape
    kernel, lanes = (kernel_rows, kernel_cols), (spec.rows, spec.cols)
    output = output_size(source[0], source[1], conv.span, conv.stride, conv.padding)
    stride = _stride(conv, output, lanes)
    used = min(lanes[0], output[0]), min(lanes[1], output[1])
    rows, cols = (
        reach(kernel[a], conv.dilation[a], stride, conv.padding[2 * a], lanes[a], used[a]) for a in (0, 1)
    )
    first_block, first_row = divmod(rows.first, lanes[0])
    last_block, last_row = divmod(rows.last, lanes[0])
    first_beat, last_beat = first_row // spec.beat_rows, last_row // spec.beat_rows
    group = stride * lanes[1]
    tiles = -(-output[0] // lanes[0]), -(-output[1] // lanes[1])
    left, right = int(cols.first < 0), int(cols.last >= group)
    wrap = tiles[1] == 1 and bool(left or right) and source[1] <= group
    phased = stride == 2 and any((*rows.phases, *cols.phases))
    beyond = min(rows.offsets) < 0 or max(rows.offsets) + used[0] > lanes[0]
    layout = Geometry(
        source=source,
        output=output,
        tiles=tiles,
        stride=stride,
        phased=phased,
        first_block=first_block,
        first_beat=first_beat,
        row_beats=(last_block - first_block) * spec.block_beats + last_beat - first_beat + 1,
        last_block=last_block,
        first_banks=_banks(first_block, rows, stride, spec),
        last_banks=_banks(last_block, rows, stride, spec),
        halo_rows=beyond or _collide(rows, stride, lanes[0], phased, apart=False),
        left=1 if wrap else left,
        right=0 if wrap else right,
        wrap=wrap,
        ring=0,
        halved=False,
        local_channels=0,
    )
    return layout, rows, cols


def _stride(conv: Conv, output: tuple[int, int], lanes: tuple[int, int]) -> int:
    """The stride that the engine takes; where there is one output nothing moves, and any will do."""
    if output == (1, 1):
        return 1 if all(span <= size for span, size in zip(conv.span, lanes, strict=True)) else 2
    if conv.stride not in ((1, 1), (2, 2)):
        raise ShiftbookError(
            f"layer {conv.name}: the engine has strides (1, 1) and (2, 2), not {conv.stride}"
        )
    return conv.stride[0]


def _too_far(layout: Geometry, rows: Reach, cols: Reach, spec: Spec) -> bool:
    """Whether pixels of a layer would not find room beside each other."""
    group = layout.stride * spec.cols
    beside = all(-spec.cols <= offset < 2 * spec.cols for offset in cols.offsets)
    far = cols.first < -group or cols.last >= 2 * group or not beside
    collide = _collide(rows, layout.stride, spec.rows, layout.phased, apart=True)
    return far or collide or rows.first < -layout.stride * spec.rows


def _dilated(conv: Conv) -> str:
    return "" if conv.dilation == (1, 1) else f" and dilation {conv.dilation}"


def bank_row(distance: int, stride: int, lanes: int) -> tuple[int, int, bool]:
    """Phase and row of banks of an input row, and whether it counts to another block than the tile's own."""
    phase = distance % stride
    block, bank = divmod((distance - phase) // stride + phase * half(lanes), lanes)
    return phase, bank, block != 0


def _banks(block: int, rows: Reach, stride: int, spec: Spec) -> int:
    """Rows of banks, as bits, that take rows of this block of the input."""
    inside = range(max(rows.first, block * spec.rows), min(rows.last, block * spec.rows + spec.rows - 1) + 1)
    return sum(1 << bank for bank in {bank_row(distance, stride, spec.rows)[1] for distance in inside})


def _collide(rows: Reach, stride: int, lanes: int, phased: bool, apart: bool) -> bool:
    """Whether two rows that are loaded for a tile would take the same words; ``apart``: if those of other
    blocks have words of their own.

    Rows that no tap reads are loaded, too, between those that some read.
    """
    step = 1 if phased else stride
    loaded = range(rows.first + -rows.first % step, rows.last + 1, step)
    places = [bank_row(distance, stride, lanes) for distance in loaded]
    return len({(phase, bank, far and apart) for phase, bank, far in places}) < len(places)


def least_ring(layout: Geometry) -> int:
    """Bits of the number of columns that one tile needs."""
    if layout.wrap:  # both sides share a column, so the ring has just two
        return 1
    return (layout.left + layout.right).bit_length()


def roomy_ring(layout: Geometry) -> int:
    """Bits of the number of columns that one tile needs, and one of the next tile if there is one."""
    if layout.wrap:
        return 1
    several = layout.tiles[0] * layout.tiles[1] > 1
    return min(MAX_RING, (layout.left + layout.right + several).bit_length())


def ample_ring(layout: Geometry) -> int:
    """Bits of the number of columns that two tiles need that share none, as at the end of a row of tiles."""
    several = layout.tiles[0] > 1
    return max(roomy_ring(layout), min(MAX_RING, (2 * (layout.left + layout.right) + several).bit_length()))


def in_banks(layout: Geometry, name: str, local_channels: int, spec: Spec) -> Geometry:
    """The layout with the largest ring that fits, so that loading is furthest ahead.

    A half of the banks is enough where it holds an ample ring: then the next layer's input is loaded into the
    other half.

    Parameters
    ----------
    name
        Of the layer.
    local_channels
        The most channels that a slot holds.

    Raises
    ------
    ShiftbookError
        Not even the smallest ring fits.
    """
    least = least_ring(layout)
    most = max(least, min(MAX_RING, (layout.columns * layout.tiles[0] - 1).bit_length()))
    if layout.wrap:
        most = least
    halves = [(ring, True) for ring in range(most, min(most, ample_ring(layout)) - 1, -1)]
    for ring, halved in (*halves, *((ring, False) for ring in range(most, least - 1, -1))):
        if local_channels <= capacity(layout.halo_rows, layout.phased, ring + halved, spec):
            return replace(layout, ring=ring, halved=halved, local_channels=local_channels)
    room = capacity(layout.halo_rows, layout.phased, least, spec)
    raise ShiftbookError(
        f"layer {name}: a slot would hold {local_channels} input channels and the activation "
        f"banks have room for {room} with this kernel and stride: raise tile_words above {spec.tile_words}"
    )


class AddressBits(NamedTuple):
    """Positions, from the top of a bank's address, of what stands above the channel; None: not there."""

    columns: tuple[int, ...]
    row: int | None
    phase_x: int | None
    phase_y: int | None

    @property
    def depth(self) -> int:
        """Bits from the top that are no channel."""
        return max((p + 1 for p in (*self.columns, self.row, self.phase_y) if p is not None), default=0)


def address_bits(halo_rows: bool, phased: bool, ring: int) -> AddressBits:
    """Where they are, so that no bit depends both on the row and on the column of a bank."""
    columns = (0, 4, 5, 6) if phased else (0, 2, 4, 5)
    return AddressBits(columns[:ring], 1 if halo_rows else None, 2 if phased else None, 3 if phased else None)


def capacity(halo_rows: bool, phased: bool, ring: int, spec: Spec) -> int:
    """Channels that fit a bank."""
    return spec.tile_words >> address_bits(halo_rows, phased, ring).depth


def tap_of(entry: TableEntry, conv: Conv, layout: Geometry, spec: Spec) -> Tap:
    """The hardware's form of a tap table entry."""
    lanes = spec.rows, spec.cols
    far = []
    offsets = []
    base = entry.channel
    bits = address_bits(layout.halo_rows, layout.phased, layout.ring_bits)
    for axis, (tap, position) in enumerate(
        ((entry.ky, bits.phase_y), (entry.kx, bits.phase_x)),
    ):
        distance = conv.dilation[axis] * tap - conv.padding[2 * axis]
        phase = distance % layout.stride
        u = (distance - phase) // layout.stride + phase * half(lanes[axis])
        block, offset = divmod(u, lanes[axis])
        far.append(block)
        offsets.append(offset)
        if position is not None:
            base |= phase << spec.address_width - 1 - position
    return Tap(base, offsets[0], offsets[1], int(far[0] != 0), far[1])


def tap_table(conv: Conv, layout: Geometry, placement: Placement, spec: Spec) -> Ints:
    """[W, entries, 5] every slot's tap table entries."""
    return np.array(
        [[tap_of(entry, conv, layout, spec) for entry in table] for table in placement.table], np.int64
    )


def owned_lanes(layout: Geometry, tile: tuple[int, int], spec: Spec) -> int:
    """Lanes of a tile that own a pixel of the output."""
    rows = min(spec.rows, layout.output[0] - tile[0] * spec.rows)
    return rows * min(spec.cols, layout.output[1] - tile[1] * spec.cols)
