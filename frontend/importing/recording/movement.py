"""What moves amount to: from the index of a tensor to operations of the graph."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from shiftbook.frontend.graph.operations import (
    Crop,
    DepthToSpace,
    Resample,
    Reshape,
    SelectChannels,
    SpaceToDepth,
)
from shiftbook.frontend.importing.recording.values import ZERO
from shiftbook.frontend.layers.subsample import Subsample

Step = tuple[nn.Module, tuple[int, ...]]
"""An operation, and the shape of its output for one image."""


def operations(shape: tuple[int, ...], index: Tensor) -> list[Step] | None:
    """The operations that gather the elements that an index names.

    Parameters
    ----------
    shape
        Of the value for one image: (C, H, W), or (features,).
    index
        int64 (C', H', W') or (features',): elements of the value, or ``ZERO``.

    Returns
    -------
    Operations one after another, none where nothing moves; None where no operations of the graph do it.
    """
    wanted = tuple(index.shape)
    if index.numel() == torch.Size(shape).numel() and bool((index.flatten() == _count(index)).all()):
        return [] if wanted == shape else [(_reshape(wanted), wanted)]
    if len(shape) == 1 and len(wanted) == 1:
        return [(SelectChannels(index.tolist()), wanted)]
    if len(shape) == 1:  # features as 1 x 1 maps: what moves then are channels
        return _after((_reshape((*shape, 1, 1)), (*shape, 1, 1)), index)
    if len(wanted) == 1:
        return _flattened(shape, index)
    return _maps(shape, index)


def _count(index: Tensor) -> Tensor:
    return torch.arange(index.numel())


def _reshape(shape: tuple[int, ...]) -> nn.Module:
    return nn.Flatten() if len(shape) == 1 else Reshape(shape)


def _after(first: Step, index: Tensor) -> list[Step] | None:
    """``first`` and then what is left to do."""
    rest = operations(first[1], index)
    return None if rest is None else [first, *rest]


def _flattened(shape: tuple[int, ...], index: Tensor) -> list[Step] | None:
    """Features of maps: maps that are picked and then flattened, or flattened and then picked."""
    _, height, width = shape
    pixels = height * width
    if len(index) % pixels == 0:
        picked = operations(shape, index.reshape(-1, height, width))
        if picked is not None:
            return [*picked, (nn.Flatten(), tuple(index.shape))]
    whole = (int(torch.Size(shape).numel()),)
    return [(nn.Flatten(), whole), (SelectChannels(index.tolist()), tuple(index.shape))]


def _maps(shape: tuple[int, ...], index: Tensor) -> list[Step] | None:
    """Maps of maps."""
    axes = _separated(shape, index)
    if axes is None:
        return _blocks(shape, index)
    channels, rows, cols = axes
    steps: list[Step] = []
    now = (len(channels), shape[1], shape[2])
    stride = _stride(rows, shape[1])
    zeros = _zeros_around(channels, shape[0])
    if stride is not None and stride > 1 and stride == _stride(cols, shape[2]) and zeros is not None:
        return [(Subsample(stride, *zeros), tuple(index.shape))]
    if zeros is not None and zeros != (0, 0):
        steps.append((Subsample(1, *zeros), now))
    elif channels != list(range(shape[0])):
        steps.append((SelectChannels(channels), now))
    return steps + list(_pixels(now, rows, cols))


def _separated(shape: tuple[int, ...], index: Tensor) -> tuple[list[int], list[int], list[int]] | None:
    """The channels, rows and columns whose combinations an index is; ``ZERO`` where all of one are zeros."""
    _, height, width = shape
    zero = index == ZERO
    if zero.all():
        return None
    parts = (index // (height * width), index // width % height, index % width)
    axes: list[list[int]] = []
    for axis, part in enumerate(parts):
        lines = part.masked_fill(zero, ZERO).movedim(axis, 0).flatten(1).amax(dim=1)
        axes.append([int(i) for i in lines])
    channel, row, col = (
        torch.tensor(axis).reshape([-1 if i == j else 1 for j in range(3)]) for i, axis in enumerate(axes)
    )
    whole = (channel * height + row) * width + col
    none = (channel == ZERO) | (row == ZERO) | (col == ZERO)
    return (axes[0], axes[1], axes[2]) if torch.equal(whole.masked_fill(none, ZERO), index) else None


def _stride(lines: list[int], length: int) -> int | None:
    """Every ``stride``-th of all lines, from the first on."""
    if len(lines) < 2:
        return 1 if length == 1 else (length if lines == [0] else None)
    stride = lines[1] - lines[0]
    return stride if stride > 0 and lines == list(range(0, length, stride)) else None


def _zeros_around(channels: list[int], count: int) -> tuple[int, int] | None:
    """Channels of zeros before and behind all channels in order."""
    if 0 not in channels:
        return None
    before = channels.index(0)
    behind = len(channels) - before - count
    same = [ZERO] * before + list(range(count)) + [ZERO] * behind
    return (before, behind) if behind >= 0 and channels == same else None


def _pixels(now: tuple[int, ...], rows: list[int], cols: list[int]) -> Iterator[Step]:
    """Crops, strides, repeated pixels, pixels in another order, and zeros around."""
    channels, height, width = now
    (top, inner_rows, bottom), (left, inner_cols, right) = _zeros_at_ends(rows), _zeros_at_ends(cols)
    inside = (channels, len(inner_rows), len(inner_cols))
    if inner_rows != list(range(height)) or inner_cols != list(range(width)):
        rows_of, cols_of = _progression(inner_rows), _progression(inner_cols)
        repeated = _repeats(inner_rows, height), _repeats(inner_cols, width)
        if rows_of is not None and cols_of is not None and len(_steps(rows_of, cols_of)) == 1:
            yield from _cropped(now, rows_of, cols_of)
        elif repeated[0] is not None and repeated[1] is not None:
            scale = (float(repeated[0]), float(repeated[1]))
            yield nn.Upsample(scale_factor=scale, mode="nearest"), inside
        else:
            yield Resample(_picked(inner_rows, height), _picked(inner_cols, width)), inside
    if any((top, bottom, left, right)):
        yield nn.ZeroPad2d((left, right, top, bottom)), (channels, len(rows), len(cols))


Progression = tuple[int, int, int]
"""First line, step and number of lines."""


def _steps(rows: Progression, cols: Progression) -> set[int]:
    """The steps of both axes; of a single line any step is right."""
    return {axis[1] for axis in (rows, cols) if axis[2] > 1} or {1}


def _cropped(now: tuple[int, ...], rows: Progression, cols: Progression) -> Iterator[Step]:
    """Lines from a first one on, with one step for both axes."""
    channels, height, width = now
    (stride,) = _steps(rows, cols)
    size = ((rows[2] - 1) * stride + 1, (cols[2] - 1) * stride + 1)
    if (rows[0], cols[0], *size) != (0, 0, height, width):
        yield Crop(rows[0], cols[0], size), (channels, *size)
    if stride > 1:
        yield Subsample(stride, 0, 0), (channels, rows[2], cols[2])


def _picked(lines: list[int], length: int) -> Tensor | None:
    """The matrix of lines that are picked, each a line or zeros; None where they are all in order."""
    if lines == list(range(length)):
        return None
    index = torch.tensor(lines)
    return torch.eye(length)[index.clamp(min=0)] * (index != ZERO)[:, None]


def _zeros_at_ends(lines: list[int]) -> tuple[int, list[int], int]:
    """Zeros before, the lines between, and zeros behind."""
    real = [i for i, line in enumerate(lines) if line != ZERO]
    return real[0], lines[real[0] : real[-1] + 1], len(lines) - 1 - real[-1]


def _progression(lines: list[int]) -> Progression | None:
    """(first, step, count) of lines that are evenly spaced and go forward."""
    step = lines[1] - lines[0] if len(lines) > 1 else 1
    if step < 1 or lines != list(range(lines[0], lines[0] + step * len(lines), step)):
        return None
    return lines[0], step, len(lines)


def _repeats(lines: list[int], length: int) -> int | None:
    """How often each of all lines comes, where that is the same for all."""
    times, left = divmod(len(lines), length)
    return times if not left and lines == [i // times for i in range(len(lines))] else None


def _blocks(shape: tuple[int, ...], index: Tensor) -> list[Step] | None:
    """Blocks of pixels that become channels, or the other way round."""
    channels, height, width = shape
    _, rows, cols = index.shape
    if (index == ZERO).any():
        return None
    here = torch.arange(channels * height * width).reshape(shape)
    small = max(rows, 1), max(cols, 1)
    if (block := height // small[0]) > 1 and (block * rows, block * cols) == (height, width):
        return _space_to_depth(here, index, block)
    if (block := rows // height) > 1 and (block * height, block * width) == (rows, cols):
        return _depth_to_space(here, index, block)
    return None


def _space_to_depth(here: Tensor, index: Tensor, block: int) -> list[Step] | None:
    unshuffled = nn.functional.pixel_unshuffle(here[None], block)[0]
    places = {int(first): i for i, first in enumerate(unshuffled[:, 0, 0])}
    order = [places.get(int(first), ZERO) for first in index[:, 0, 0]]
    if ZERO in order or not torch.equal(unshuffled[order], index):
        return None
    return [(SpaceToDepth(block, order), tuple(index.shape))]


def _depth_to_space(here: Tensor, index: Tensor, block: int) -> list[Step] | None:
    unshuffled = nn.functional.pixel_unshuffle(index[None], block)[0]
    order = [int(i) for i in unshuffled[:, 0, 0] // (here.shape[1] * here.shape[2])]
    if not torch.equal(here[order], unshuffled):
        return None
    return [(DepthToSpace(block, order), tuple(index.shape))]
