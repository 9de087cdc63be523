"""Resampling: lines of the output as channels, and then each on lanes of its own.

All lanes of a tile take the same weights, but lines of the output want different ones. So a row (or column)
of blocks of the output is made in two layers. The first gathers: the output has one line, and a channel for
each line of the block. The second spreads these channels over the lanes: what a lane of another line would
take lies outside of the single line that there is, where padding is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.conv_passes import engine_passes
from shiftbook.golden.mapping.identity import of_units, same_values, unit
from shiftbook.golden.mapping.job import Memory, Pass, Region, View
from shiftbook.golden.mapping.nodes.base import Planner
from shiftbook.golden.model.nodes import Conv, Resample, Shape
from shiftbook.golden.model.weights import Requantize, Weights
from shiftbook.golden.spec import Spec

LINES = ".lines"
"""What the name of a layer's gathered lines ends with."""


class _Strip(NamedTuple):
    """Lines ``first`` to ``last`` of the output, of some channels."""

    first: int
    last: int
    channel: int
    channels: int

    @property
    def lines(self) -> int:
        """How many."""
        return self.last - self.first


class ResamplePlanner(Planner[Resample]):
    """Two layers for each row or column of blocks; one where that has a single line."""

    node = Resample

    def passes(self, node: Resample, memory: Memory) -> list[Pass]:
        result = []
        for strip in _strips(node, memory):
            result += _gathered(node, strip, memory)
            if not _is_direct(node, strip, memory):
                result += _spread(node, strip, memory)
        return result


def _strips(node: Resample, memory: Memory) -> Iterator[_Strip]:
    """Of as many channels as layers may have for all their lines."""
    spec, (_, _, channels) = memory.spec, memory.shapes[node.name]
    lanes, lines = _lanes(node, spec), len(node.first)
    most = max(1, ((1 << spec.channel_counter_width) - 1) // _held(node, spec))
    for first in range(0, lines, lanes):
        for channel in range(0, channels, most):
            yield _Strip(first, min(first + lanes, lines), channel, min(most, channels - channel))


def _is_direct(node: Resample, strip: _Strip, memory: Memory) -> bool:
    """Whether the gathered line is the strip."""
    return strip.lines == 1 and len(_bands(node, memory.shapes[node.name][0], memory.spec)) == 1


def _lanes(node: Resample, spec: Spec) -> int:
    """Lines of a block."""
    return spec.rows if node.axis == "rows" else spec.cols


def _held(node: Resample, spec: Spec) -> int:
    """Gathered lines of each channel: those of a block, and more where slots could not share them evenly."""
    lines = min(_lanes(node, spec), len(node.first))
    return -(-lines // spec.slots) * spec.slots


def _gathered(node: Resample, strip: _Strip, memory: Memory) -> list[Pass]:
    """The strip's lines as channels, all in one line."""
    spec, source = memory.spec, memory.shapes[node.source]
    length, zero_point = _length(node, source), memory.zero_points[node.source]
    rows = node.matrix(length)[strip.first : strip.last]
    used = np.flatnonzero(rows.any(axis=0))
    begin, end = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
    direct = _is_direct(node, strip, memory)
    each = 1 if direct else _held(node, spec)
    kernel = np.zeros((each, end - begin), np.int16)
    kernel[: strip.lines] = rows[:, begin:end]
    conv = Conv(
        name=node.name,
        source=node.source,
        weights=_coded(node, np.tile(kernel, (strip.channels, 1)), spec),
        requantize=_by_line(node, strip, each, zero_point),
        padding=_along(node, -begin, end - length),
        groups=strip.channels,
    )
    target = _place(node, strip, memory) if direct else _lines_view(node, strip, memory)
    read = memory.views[node.source].part(strip.channel, strip.channels)
    views = {node.source: read, node.name: target}
    return engine_passes(conv, (*source[:2], strip.channels), views, zero_point, 0, spec)


def _by_line(node: Resample, strip: _Strip, each: int, zero_point: int) -> Requantize:
    """The requantizer of the strip's lines, ``each`` of every channel; lines too many are of zeros."""
    whole = node.requantize(zero_point)
    bias, multiplier, shift = (
        np.tile(np.pad(values[strip.first : strip.last], (0, each - strip.lines)), strip.channels)
        for values in (whole.bias, whole.multiplier, whole.shift)
    )
    return replace(whole, bias=bias, multiplier=multiplier, shift=shift)


def _spread(node: Resample, strip: _Strip, memory: Memory) -> list[Pass]:
    """Each of the gathered lines on the lanes of its place: tap ``lines - 1 - y`` finds it at line y."""
    spec, zero_point = memory.spec, memory.zero_points[node.source]
    each, last = _held(node, spec), strip.lines - 1
    taps = np.zeros((strip.lines, each), np.int16)
    taps[last - np.arange(strip.lines), np.arange(strip.lines)] = unit(spec)
    shape = (1, *taps.shape[:1], 1, each) if node.axis == "rows" else (1, 1, *taps.shape)
    height, width, _ = memory.shapes[node.name]
    source = (1, width) if node.axis == "rows" else (height, 1)
    conv = Conv(
        name=node.name,
        source=node.name + LINES,
        weights=code_weights(np.repeat(taps.reshape(shape), strip.channels, axis=0), "ones", spec),
        requantize=of_units(same_values(strip.channels, zero_point), spec),
        padding=_along(node, last, last),
        groups=strip.channels,
    )
    result = []
    for top, bottom in _bands(node, height, spec):
        views = {
            conv.source: _lines_view(node, strip, memory),
            node.name: _place(node, strip, memory, top, bottom),
        }
        cut = (
            replace(conv, padding=(-top, bottom - height, *conv.padding[2:]))
            if top or bottom < height
            else conv
        )
        result += engine_passes(cut, (*source, strip.channels * each), views, 0, 0, spec)
    return result


def _bands(node: Resample, height: int, spec: Spec) -> list[tuple[int, int]]:
    """Rows of the output that a layer stores: all, unless it has some columns and stores only whole rows."""
    if node.axis == "rows" or spec.interleaves:
        return [(0, height)]
    return [(top, min(top + spec.rows, height)) for top in range(0, height, spec.rows)]


def _lines_view(node: Resample, strip: _Strip, memory: Memory) -> View:
    """Where a strip's gathered lines lie, until the next strip's do."""
    channels = strip.channels * _held(node, memory.spec)
    return View(node.name + LINES, 0, channels, channels)


def _place(node: Resample, strip: _Strip, memory: Memory, top: int = 0, bottom: int | None = None) -> View:
    """Where a strip lies in the output, from one of its rows to another where it is of columns."""
    height, width, _ = memory.shapes[node.name]
    if node.axis == "rows":
        region = Region(strip.first, 0, strip.lines, width, width)
    else:
        region = Region(top, strip.first, (height if bottom is None else bottom) - top, strip.lines, width)
    return replace(memory.views[node.name].part(strip.channel, strip.channels), region=region)


def _length(node: Resample, source: Shape) -> int:
    return source[0] if node.axis == "rows" else source[1]


def _along(node: Resample, before: int, after: int) -> tuple[int, int, int, int]:
    """Padding along the lines' axis."""
    return (before, after, 0, 0) if node.axis == "rows" else (0, 0, before, after)


def _coded(node: Resample, kernels: np.ndarray, spec: Spec) -> Weights:
    """Weights [outputs, taps] along the lines' axis."""
    outputs, taps = kernels.shape
    shape = (outputs, taps, 1, 1) if node.axis == "rows" else (outputs, 1, taps, 1)
    try:
        return code_weights(kernels.reshape(shape), "ones", spec)
    except ShiftbookError as error:
        raise ShiftbookError(f"layer {node.name}: {error}") from None
