"""What convolution and pooling share: a window that moves over the input."""

from __future__ import annotations

from math import prod

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.limits import Budget
from shiftbook.golden.model.integer import output_size
from shiftbook.golden.model.nodes.base import Shape, shape_text

Pair = tuple[int, int]
Padding = tuple[int, int, int, int]
"""Rows above and below, columns left and right."""


def window_positions(
    name: str, source: Shape, kernel: Pair, stride: Pair, padding: Padding, *, crops: bool = False
) -> Pair:
    """Rows and columns of the output.

    Parameters
    ----------
    crops
        Whether padding may be negative, which leaves out rows and columns of the input, though not all.

    Raises
    ------
    ShiftbookError
        The stride or the padding is out of range, or no window fits the input.
    """
    height, width = source[:2]
    least = (1 - height, 1 - height, 1 - width, 1 - width) if crops else (0, 0, 0, 0)
    if min(stride) < 1 or any(side < low for side, low in zip(padding, least, strict=True)):
        lowest = "minus the input's size, but one pixel" if crops else "0"
        raise ShiftbookError(
            f"layer {name}: stride must be at least 1 and padding at least {lowest}, not {stride} and "
            f"{padding}"
        )
    rows, cols = output_size(source[0], source[1], kernel, stride, padding)
    if min(rows, cols) < 1:
        raise ShiftbookError(
            f"layer {name}: a {kernel[0]}x{kernel[1]} window does not fit {shape_text(source)}"
        )
    return rows, cols


def spend_padding(name: str, budget: Budget, source: Shape, padding: Padding) -> None:
    """Count the padded input, which exists only where there is padding."""
    if any(padding):
        top, bottom, left, right = padding
        budget.tensor(name, prod((source[0] + top + bottom, source[1] + left + right, source[2])))
