"""Class numbers, from the forms in which arrays of labels come."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.errors import ShiftbookError

MAX_LABEL = (1 << 20) - 1
"""Of a class: far above the channels that a network can have."""

MOST_VALUES = 8
"""Values of a row that a message shows."""


def class_numbers_of(labels: NDArray[Any], count: int, where: str = "") -> NDArray[np.int64]:
    """int64 [N] from an array of labels.

    Parameters
    ----------
    labels
        Integers from 0, [N] or [N, 1]; or one-hot rows [N, classes], of any type of numbers, with one 1 and
        else 0. A column [N, 1] of zeros and ones may be of any type, too.
    count
        N.
    where
        What errors say after the name y.

    Raises
    ------
    ShiftbookError
        It has another type or shape, a label is out of range, or a row is not one-hot.
    """
    numbers = labels
    if labels.ndim == 2 and len(labels) == count and labels.size and labels.dtype.kind in "biuf":
        numbers = _column(labels) if labels.shape[1] == 1 else _hot(labels, where)
    right = f"y{where} must be {count} integers from 0"
    if numbers.shape != (count,) or numbers.dtype.kind not in "iu":
        raise ShiftbookError(
            f"{right}, not {labels.dtype} {list(labels.shape)}; or one-hot, [{count}, classes]"
        )
    if numbers.min() < 0 or numbers.max() > MAX_LABEL:
        bad = numbers.min() if numbers.min() < 0 else numbers.max()
        raise ShiftbookError(f"{right} to {MAX_LABEL}, not {bad}")
    return numbers.astype(np.int64)


def _column(labels: NDArray[Any]) -> NDArray[Any]:
    """[N] from [N, 1]; zeros and ones become integers."""
    numbers: NDArray[Any] = labels[:, 0]
    binary = bool(((numbers == 0) | (numbers == 1)).all())
    return numbers.astype(np.int64) if binary else numbers


def _hot(labels: NDArray[Any], where: str) -> NDArray[np.int64]:
    """The column of the one 1 in each row."""
    ones = labels == 1
    wrong = (ones.sum(axis=1) != 1) | ~(ones | (labels == 0)).all(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        values = ", ".join(f"{value:g}" for value in labels[row][:MOST_VALUES].astype(np.float64))
        more = ", ..." if labels.shape[1] > MOST_VALUES else ""
        raise ShiftbookError(
            f"y{where} must be integers from 0, or one-hot rows of one 1 and else 0, but row {row} is "
            f"{values}{more}"
        )
    return ones.argmax(axis=1)
