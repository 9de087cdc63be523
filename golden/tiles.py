"""How input pixels lie in the banks of the activation tile, and how taps find them there.

The output is cut into tiles of ``rows x cols`` pixels, one a lane. The padded input is split by the stride
into phases: pixel (Y, X) is pixel (Y div sy, X div sx) of phase (Y mod sy, X mod sx). Within a phase a tap
is a plain offset (oy, ox), and pixel (i, j) of the phase, counted from the tile's corner, lies in bank
(i mod rows, j mod cols), in sub-block (i div rows, j div cols).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from golden.errors import ShiftbookError
from golden.integer import Activations, output_size
from golden.network import Conv
from golden.placement import Placement, TableEntry
from golden.spec import Spec

Ints = NDArray[np.int64]

SUB_BLOCK_BITS = 2
"""Address bits of the sub-block, (row, column), below the local channel, where a layer has offsets."""


@dataclass(frozen=True)
class Geometry:
    """One layer on the grid.

    Attributes
    ----------
    output
        Rows and columns of the output.
    tiles
        Rows and columns of tiles.
    phases
        The phases (row, column) that some tap reads, ascending; a phase's number is its index.
    reach
        For each phase, the largest (oy, ox) of its taps.
    local_channels
        The most channels that a slot holds.
    channel_shift
        Address bits below the local channel: 2 if any tap has an offset, else 0.
    """

    output: tuple[int, int]
    tiles: tuple[int, int]
    phases: tuple[tuple[int, int], ...]
    reach: tuple[tuple[int, int], ...]
    local_channels: int
    channel_shift: int

    @property
    def words(self) -> int:
        """Words of each bank that the layer takes up."""
        return len(self.phases) * self.local_channels << self.channel_shift


class Tap(NamedTuple):
    """What the hardware's tap table holds: the address of the entry's first channel, and the offset."""

    base: int
    oy: int
    ox: int


class TileWords(NamedTuple):
    """Words of one tile in the order in which they are written, one a cycle.

    Attributes
    ----------
    address
        [n] within each bank.
    slot_mask
        [n] the slots whose banks take the word; bit w is slot w.
    plane
        uint8 [n, rows * cols] one pixel a bank; bank (r, c) is byte ``r * cols + c``.
    """

    address: Ints
    slot_mask: Ints
    plane: Activations


def geometry(conv: Conv, source: tuple[int, int, int], placement: Placement, spec: Spec) -> Geometry:
    """Lay out a layer.

    Parameters
    ----------
    source
        Height, width and channels of the layer's input.

    Raises
    ------
    ShiftbookError
        A tap looks further than one tile, or the words do not fit the banks.
    """
    _, kernel_rows, kernel_cols, _ = conv.weights.integers.shape
    output = output_size(source[0], source[1], (kernel_rows, kernel_cols), conv.stride, conv.padding)
    tiles = (-(-output[0] // spec.rows), -(-output[1] // spec.cols))
    taps = [_locate(ky, kx, conv.stride) for ky, kx in np.ndindex(kernel_rows, kernel_cols)]
    phases = tuple(sorted({phase for phase, _ in taps}))
    reach = tuple(_most([offset for phase, offset in taps if phase == wanted]) for wanted in phases)
    furthest = _most(list(reach))
    if furthest[0] >= spec.rows or furthest[1] >= spec.cols:
        raise ShiftbookError(
            f"layer {conv.name}: a {kernel_rows}x{kernel_cols} kernel at stride {conv.stride} looks "
            f"{furthest} pixels beyond its lane; {spec.rows}x{spec.cols} lanes look at most "
            f"{(spec.rows - 1, spec.cols - 1)}"
        )
    result = Geometry(
        output,
        tiles,
        phases,
        reach,
        max(len(held) for held in placement.channels),
        SUB_BLOCK_BITS if any(furthest) else 0,
    )
    if result.words > spec.tile_words:
        raise ShiftbookError(
            f"layer {conv.name}: its tile takes {result.words} words of each activation bank and the spec "
            f"has {spec.tile_words}: raise tile_words"
        )
    return result


def _locate(ky: int, kx: int, stride: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Phase and offset of a tap."""
    return (ky % stride[0], kx % stride[1]), (ky // stride[0], kx // stride[1])


def _most(offsets: list[tuple[int, int]]) -> tuple[int, int]:
    return max(oy for oy, _ in offsets), max(ox for _, ox in offsets)


def tap_of(entry: TableEntry, conv: Conv, layout: Geometry) -> Tap:
    """The hardware's form of a tap table entry."""
    phase, (oy, ox) = _locate(entry.ky, entry.kx, conv.stride)
    base = (layout.phases.index(phase) * layout.local_channels + entry.channel) << layout.channel_shift
    return Tap(base, oy, ox)


def tap_table(conv: Conv, layout: Geometry, placement: Placement) -> Ints:
    """[W, entries, 3] base, oy and ox of every slot's tap table entries."""
    return np.array([[tap_of(entry, conv, layout) for entry in table] for table in placement.table], np.int64)


def _sub_blocks(layout: Geometry) -> Ints:
    """[b, 3] (phase number, row, column) of the sub-blocks that some lane reads."""
    blocks = [
        (number, fy, fx)
        for number, (oy, ox) in enumerate(layout.reach)
        for fy in range(1 + (oy > 0))
        for fx in range(1 + (ox > 0))
    ]
    return np.array(blocks, np.int64)


def fill_words(layout: Geometry, placement: Placement) -> int:
    """Words written for one tile."""
    return len(_sub_blocks(layout)) * len(_held(placement)[0])


def _held(placement: Placement) -> tuple[Ints, Ints, Ints]:
    """Slot mask, local channel and channel of everything that the slots hold."""
    if placement.mode == "scatter":
        channels = placement.channels[0]
        return np.full(len(channels), (1 << placement.slots) - 1), np.arange(len(channels)), channels
    counts = [len(held) for held in placement.channels]
    mask = np.repeat(1 << np.arange(placement.slots), counts)
    return mask, np.concatenate([np.arange(count) for count in counts]), np.concatenate(placement.channels)


def tile_words(
    conv: Conv,
    layout: Geometry,
    placement: Placement,
    image: Activations,
    tile: tuple[int, int],
    zero_point: int,
    spec: Spec,
) -> TileWords:
    """The words that fill the banks for one tile.

    Parameters
    ----------
    image : uint8 [H, W, C]
        The layer's input.
    tile
        Row and column of the tile.
    zero_point
        Of the input: what lies outside the image.
    """
    mask, local, channel = _held(placement)
    blocks = _sub_blocks(layout)
    planes = np.empty((len(blocks), len(channel), spec.rows, spec.cols), np.uint8)
    for out, (number, fy, fx) in zip(planes, blocks, strict=True):
        phase = layout.phases[number]
        rows, cols = (
            ((tile[axis] + f) * size + np.arange(size)) * conv.stride[axis] + phase[axis] - before
            for axis, f, size, before in (
                (0, fy, spec.rows, conv.padding[0]),
                (1, fx, spec.cols, conv.padding[2]),
            )
        )
        out[...] = _pixels(image, rows, cols, zero_point)[..., channel].transpose(2, 0, 1)
    address = (blocks[:, :1] * layout.local_channels + local) << layout.channel_shift
    address |= blocks[:, 1:2] << 1 | blocks[:, 2:3]
    return TileWords(address.ravel(), np.tile(mask, len(blocks)), planes.reshape(-1, spec.lanes))


def _pixels(image: Activations, rows: Ints, cols: Ints, outside: int) -> Activations:
    """[r, c, C] the pixels at the crossings of rows and columns; ``outside`` beyond the image."""
    height, width = image.shape[:2]
    found = image[np.clip(rows, 0, height - 1)[:, None], np.clip(cols, 0, width - 1)]
    found[(rows < 0) | (rows >= height)] = outside
    found[:, (cols < 0) | (cols >= width)] = outside
    return found


def owned_lanes(layout: Geometry, tile: tuple[int, int], spec: Spec) -> int:
    """Lanes of a tile that own a pixel of the output."""
    rows = min(spec.rows, layout.output[0] - tile[0] * spec.rows)
    return rows * min(spec.cols, layout.output[1] - tile[1] * spec.cols)


def grid_of_beats(beats: Activations, spec: Spec) -> Activations:
    """uint8 [O, rows, cols] from the output stream [O * D, Q], where beat j byte q is lane ``q * D + j``."""
    by_channel = beats.reshape(-1, spec.drain_cycles, spec.requantizers)
    return by_channel.transpose(0, 2, 1).reshape(-1, spec.rows, spec.cols)


def place_grid(output: Activations, grid: Activations, tile: tuple[int, int]) -> None:
    """Write a tile [O, rows, cols] into the output [h, w, O], without the lanes that own no pixel."""
    _, rows, cols = grid.shape
    top, left = tile[0] * rows, tile[1] * cols
    target = output[top : top + rows, left : left + cols]
    target[...] = grid.transpose(1, 2, 0)[: target.shape[0], : target.shape[1]]
