"""A kernel that covers its whole input, as several passes that take a part of it each.

Global pooling and fully connected layers behind maps have one output and as many taps as the map has pixels:
more than the tap table holds, and further apart than two blocks. Parts of the kernel begin at a block of the
input, or at a place within one, and add up as partial sums do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from shiftbook.golden.coding import items
from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.integer import output_size
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.spec import PARTIAL_WIDTH, Spec

Pair = tuple[int, int]

REACH = 2
"""Blocks of each axis that a layer with one output can look at."""


@dataclass(frozen=True, eq=False)
class Window:
    """A part of a kernel, and where it meets the input.

    Attributes
    ----------
    conv
        The layer with these taps; its padding may be negative, which leaves out the first pixels.
    block
        Row and column of the block of the input that it begins in.
    source
        Rows and columns of the input from there on.
    """

    conv: Conv
    block: Pair
    source: Pair


def windows(conv: Conv, source: Pair, spec: Spec) -> list[Window]:
    """The parts of a layer's kernel; one where the layer fits as it is, or has more than one output.

    Parameters
    ----------
    source
        Rows and columns of the input.

    Raises
    ------
    ShiftbookError
        The layer's weights are sums of vectors, or a sum does not fit its bytes.
    """
    _, rows, cols, _ = conv.weights.integers.shape
    lanes = spec.rows, spec.cols
    one = output_size(*source, conv.span, conv.stride, conv.padding) == (1, 1)
    if not one or any(conv.padding) or conv.dilation != (1, 1) or _fits(conv, (rows, cols), spec):
        return [Window(conv, (0, 0), source)]
    _check(conv, spec)
    size = min(rows, REACH * lanes[0]), min(cols, REACH * lanes[1])
    while not _fits(conv, size, spec):
        size = (-(-size[0] // 2), size[1]) if size[0] >= size[1] else (size[0], -(-size[1] // 2))
    places = [(y, x) for y in range(0, rows, size[0]) for x in range(0, cols, size[1])]
    return [_window(conv, place, size, source, spec) for place in places]


def _fits(conv: Conv, size: Pair, spec: Spec) -> bool:
    """Whether a kernel of this size has taps enough in the table, and looks no further than it can."""
    if size[0] > REACH * spec.rows or size[1] > REACH * spec.cols:
        return False
    if size[0] * size[1] <= spec.table_entries:
        return True
    part = replace(conv.weights, integers=conv.weights.integers[:1, : size[0], : size[1]])
    return items.placement_of(part, spec.slots, spec).entries <= spec.table_entries


def _check(conv: Conv, spec: Spec) -> None:
    _, rows, cols, _ = conv.weights.integers.shape
    too_large = f"layer {conv.name}: a {rows}x{cols} kernel takes several passes"
    if conv.weights.vectors is not None:
        raise ShiftbookError(f"{too_large}, and vectors cannot be split: take a scheme without them")
    if spec.accumulator_width > PARTIAL_WIDTH:
        raise ShiftbookError(
            f"{too_large}, and partial sums have {PARTIAL_WIDTH} bits: lower accumulator_width, now "
            f"{spec.accumulator_width}"
        )


def _window(conv: Conv, place: Pair, size: Pair, source: Pair, spec: Spec) -> Window:
    """The part that begins at a place of the kernel, and so of the input."""
    (y, x), lanes = place, (spec.rows, spec.cols)
    integers = conv.weights.integers[:, y : y + size[0], x : x + size[1]]
    block = y // lanes[0], x // lanes[1]
    rest = source[0] - block[0] * lanes[0], source[1] - block[1] * lanes[1]
    top, left = block[0] * lanes[0] - y, block[1] * lanes[1] - x
    padding = (top, integers.shape[1] - top - rest[0], left, integers.shape[2] - left - rest[1])
    weights = code_weights(integers, conv.weights.scheme, spec)
    return Window(replace(conv, weights=weights, stride=(1, 1), padding=padding), block, rest)
