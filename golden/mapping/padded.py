"""A copy of a layer's input with its padding, for taps that look further than a block before a lane's own.

A part of a kernel can begin in a later block of the input, see `golden.mapping.windows`, but not in one
before the first. So the copy begins with whole blocks of padding. One layer fills the copy with the pad, and
another places the input in it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.mapping.conv_passes import engine_passes
from shiftbook.golden.mapping.identity import of_units, same_values, unit
from shiftbook.golden.mapping.job import Memory, Pass, Region, View
from shiftbook.golden.model.nodes import Conv, Shape
from shiftbook.golden.spec import Spec

PADDED = ".padded"
"""What the name of a layer's padded input ends with."""


def on_a_copy(conv: Conv, source: Shape, spec: Spec) -> tuple[Conv, Shape]:
    """The layer without padding on the sides where it looks far, and the shape of the copy that it reads."""
    top, bottom, left, right = conv.padding
    above, before = _whole_blocks(top, spec.rows), _whole_blocks(left, spec.cols)
    below, behind = max(0, bottom), max(0, right)
    inner = replace(
        conv,
        source=conv.name + PADDED,
        padding=(top - above, bottom - below, left - before, right - behind),
    )
    height, width, channels = source
    return inner, (above + height + below, before + width + behind, channels)


def copy_passes(conv: Conv, inner: Conv, copy: Shape, memory: Memory) -> list[Pass]:
    """Passes that make the copy of shape ``copy``, for ``inner``, of the input of ``conv``."""
    spec, source = memory.spec, memory.shapes[conv.source]
    height, width, channels = source
    pad = memory.zero_points[conv.source]
    whole = View(inner.source, 0, channels, channels)
    same = of_units(same_values(channels, pad), spec)
    hand_on = Conv(
        name=conv.name,
        source=conv.source,
        weights=code_weights(np.full((channels, 1, 1, 1), unit(spec), np.int16), "ones", spec),
        requantize=replace(same, low=pad, high=pad),
        padding=(0, copy[0] - height, 0, copy[1] - width),
        groups=channels,
    )

    def to(target: View, layer: Conv) -> list[Pass]:
        views = {conv.source: memory.views[conv.source], conv.name: target}
        return engine_passes(layer, source, views, pad, 0, spec)

    result = to(whole, hand_on)
    top, left = conv.padding[0] - inner.padding[0], conv.padding[2] - inner.padding[2]
    for first, end in _bands(height, spec):
        region = Region(top + first, left, end - first, width, copy[1])
        placed = replace(hand_on, requantize=same, padding=(-first, end - height, 0, 0))
        result += to(replace(whole, region=region), placed)
    return result


def _whole_blocks(pixels: int, lanes: int) -> int:
    """As many pixels, and more up to a whole number of blocks."""
    return -(-max(0, pixels) // lanes) * lanes


def _bands(height: int, spec: Spec) -> list[tuple[int, int]]:
    """Rows that a layer stores in a wider tensor: all, or those of a block where rows must follow.

    Blocks are stored whole, and rows of the last one may lie below the input: these are the copy's padding,
    so that the layer has to make them, too.
    """
    whole = _whole_blocks(height, spec.rows)
    if spec.interleaves:
        return [(0, whole)]
    return [(top, top + spec.rows) for top in range(0, whole, spec.rows)]
