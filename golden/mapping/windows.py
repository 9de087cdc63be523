"""A kernel of more taps than the tap table holds, as several passes that take a part of it each.

So is one whose taps look too far. The parts add up as partial sums do. They differ in the padding, which is
negative where a part begins behind a lane's own pixel. A part then begins in that pixel's block of the input:
so the taps of global pooling, and of fully connected layers behind maps, are near wherever they are. Layers
that leave out the first pixels of their input begin there too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from shiftbook.golden.coding import items
from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping import tiles
from shiftbook.golden.model.integer import output_size
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.spec import PARTIAL_WIDTH, Spec

Pair = tuple[int, int]


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
    """The parts of a layer's kernel; one where the layer fits as it is.

    Parameters
    ----------
    source
        Rows and columns of the input.

    Raises
    ------
    ShiftbookError
        The layer's weights are sums of vectors, or a sum does not fit its bytes.
    """
    one = _rebased(conv, source, spec)
    if _fits(one, spec):
        return [one]
    found = _parts(conv, source, spec)
    if found is None:
        return [one]  # what is wrong with it is told when it is laid out
    _check(conv, spec)
    return [_coded(part, spec) for part in found]


def in_reach(conv: Conv, source: Pair, spec: Spec) -> bool:
    """Whether `windows` finds parts that fit."""
    return _fits(_rebased(conv, source, spec), spec) or _parts(conv, source, spec) is not None


def _parts(conv: Conv, source: Pair, spec: Spec) -> list[Window] | None:
    """The largest parts of a kernel that fit; None where not even its taps do."""
    size = conv.weights.integers.shape[1:3]
    while size != (1, 1):
        size = (-(-size[0] // 2), size[1]) if size[0] >= size[1] else (size[0], -(-size[1] // 2))
        found = _of_size(conv, size, source, spec)
        if all(_fits(part, spec) for part in found):
            return found
    return None


def _of_size(conv: Conv, size: Pair, source: Pair, spec: Spec) -> list[Window]:
    """Parts of a kernel, each of so many rows and columns of taps."""
    _, rows, cols, _ = conv.weights.integers.shape
    places = [(y, x) for y in range(0, rows, size[0]) for x in range(0, cols, size[1])]
    return [_rebased(_part(conv, place, size, source), source, spec) for place in places]


def _fits(part: Window, spec: Spec) -> bool:
    """Whether there is input where it begins, the tap table has room for its taps, and none looks too far."""
    if min(part.source) < 1:
        return False
    _, rows, cols, _ = part.conv.weights.integers.shape
    few = rows * cols <= spec.table_entries
    if not few and items.placement_of(part.conv.weights, spec.slots, spec).entries > spec.table_entries:
        return False
    return tiles.within_reach(part.conv, part.source, spec)


def _coded(part: Window, spec: Spec) -> Window:
    """A part whose weights are coded for themselves."""
    weights = part.conv.weights
    try:
        own = code_weights(weights.integers, weights.scheme, spec)
    except ShiftbookError as error:
        raise ShiftbookError(f"layer {part.conv.name}: {error}") from None
    return replace(part, conv=replace(part.conv, weights=own))


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


def _part(conv: Conv, place: Pair, size: Pair, source: Pair) -> Conv:
    """The taps from a place of a kernel on, with the padding under which they meet the same pixels."""
    (y, x), (rows, cols), (step_y, step_x) = place, size, conv.dilation
    integers = conv.weights.integers[:, y : y + rows, x : x + cols]
    part = replace(conv, weights=replace(conv.weights, integers=integers, vectors=None))
    top, left = conv.padding[0] - step_y * y, conv.padding[2] - step_x * x
    output = output_size(*source, conv.span, conv.stride, conv.padding)
    bottom, right = (
        (outputs - 1) * stride + span - first - inputs
        for outputs, stride, span, first, inputs in zip(
            output, conv.stride, part.span, (top, left), source, strict=True
        )
    )
    return replace(part, padding=(top, bottom, left, right))


def _rebased(conv: Conv, source: Pair, spec: Spec) -> Window:
    """A layer that begins in the block of its first pixel, which negative padding may put far inside."""
    top, bottom, left, right = conv.padding
    above, before = max(0, -top) // spec.rows, max(0, -left) // spec.cols
    if not above and not before:
        return Window(conv, (0, 0), source)
    top, left = top + above * spec.rows, left + before * spec.cols
    rest = source[0] - above * spec.rows, source[1] - before * spec.cols
    return Window(replace(conv, padding=(top, bottom, left, right)), (above, before), rest)
