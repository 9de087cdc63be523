"""Arrays of images, signals and other maps: their types and layouts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.errors import ShiftbookError

MAX_VALUE = 1e30
"""Largest magnitude of a float value: its distance to any other is a 32-bit float."""

PIECE = 256
"""Maps that are looked at together."""

TRANSPOSED = "it looks like {}: give x.transpose({}), which is {}"


def maps(x: NDArray[Any], where: str = "") -> NDArray[Any]:
    """[N, H, W, C] from an array of maps.

    Parameters
    ----------
    x
        uint8 [N, H, W, C]; or floats of any range, [N, H, W, C], [N, L, C] or [N, L]: a signal is a map of
        height 1.
    where
        What errors say after the name x.

    Raises
    ------
    ShiftbookError
        It has another type or shape, no values, or values that are not finite.
    """
    given = f"not {x.dtype} {list(x.shape)}"
    floats = x.dtype.kind == "f" and x.dtype.itemsize <= 8
    if floats and x.ndim in (2, 3):
        x = x[:, None, :, None] if x.ndim == 2 else x[:, None]
    if floats and x.ndim != 4:
        raise ShiftbookError(f"x{where} must be floats [N, H, W, C], [N, L, C] or [N, L], {given}")
    if not floats and (x.dtype != np.uint8 or x.ndim != 4):
        raise ShiftbookError(f"x{where} must be uint8 [N, H, W, C], {given}; {_mended(x)}")
    if 0 in x.shape:
        raise ShiftbookError(f"x{where} has no images: its shape is {list(x.shape)}")
    if floats:
        _check_values(x, where)
    return x


def _mended(x: NDArray[Any]) -> str:
    """What to do about an array that is neither bytes [N, H, W, C] nor floats."""
    if x.dtype != np.uint8:
        return "values that are no bytes go in as floats: x.astype('float32')"
    return "grey images are x[..., None], and signals [N, L, C] are x[:, None]"


def _check_values(x: NDArray[Any], where: str) -> None:
    """Refuse NaN, infinite and absurdly large values, naming the first."""
    for first in range(0, len(x), PIECE):
        some = x[first : first + PIECE]
        wrong = ~(np.abs(some) <= np.float64(MAX_VALUE))  # NaN is not, either
        if wrong.any():
            place = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), some.shape))
            raise ShiftbookError(
                f"x{where} must be finite, within {MAX_VALUE:.0e}, but x{[first + place[0], *place[1:]]} "
                f"as [N, H, W, C] is {some[place]:g}"
            )


def layout_hint(shape: tuple[int, int, int], channels: int) -> str:
    """What maps of another number of channels look like; empty where they look like nothing.

    Parameters
    ----------
    shape
        (H, W, C) of a map.
    channels
        That the network takes.
    """
    height, width, found = shape
    if found == channels:
        return ""
    if height == channels == 1:
        return "images [N, 1, H, W] are x.transpose(0, 2, 3, 1), and grey images [N, H, W] are x[..., None]"
    if height == channels:
        return TRANSPOSED.format("[N, C, H, W]", "0, 2, 3, 1", "[N, H, W, C]")
    if height == 1 and width == channels:
        return TRANSPOSED.format("[N, C, L]", "0, 2, 1", "[N, L, C]")
    return ""
