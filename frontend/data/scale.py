"""Float values as the bytes that the accelerator takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftbook.frontend.quantization.affine import LEVELS
from shiftbook.golden.errors import ShiftbookError

LEAST_SCALE = 1e-30
"""Values that lie nearer to each other are one value."""

SCALE, ZERO_POINT = "input_scale", "input_zero_point"
"""Facts of a checkpoint."""

PIECE = 256
"""Maps that are scaled together: memory holds no second copy of the floats."""


@dataclass(frozen=True)
class InputScale:
    """How the bytes of a float input stand for its values, by channel: ``scale * (byte - zero_point)``.

    A value becomes the byte ``clip(round(value / scale) + zero_point, 0, 255)``; halves round to even.

    Attributes
    ----------
    scale
        [C], positive.
    zero_point
        [C], any integers.
    """

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]

    @staticmethod
    def spanning(values: NDArray[np.floating], mean: Sequence[float]) -> InputScale:
        """The finest scale of each channel that reaches all its values.

        Parameters
        ----------
        values
            Finite floats [N, H, W, C].
        mean
            [C]; what the network sees as 0, for which there is a byte too: padding needs it.
        """
        low = np.minimum(values.min(axis=(0, 1, 2)).astype(np.float64), mean)
        high = np.maximum(values.max(axis=(0, 1, 2)).astype(np.float64), mean)
        scale = (high - low) / LEVELS
        scale[scale < LEAST_SCALE] = 1.0
        return InputScale(tuple(scale.tolist()), tuple(int(zero) for zero in np.rint(-low / scale)))

    def to_bytes(self, values: NDArray[np.floating]) -> NDArray[np.uint8]:
        """uint8 [N, H, W, C] from floats of that shape; what lies beyond the range gets its end."""
        result = np.empty(values.shape, np.uint8)
        scale, zero_point = np.array(self.scale), np.array(self.zero_point, np.float64)
        for first in range(0, len(values), PIECE):
            steps = np.rint(values[first : first + PIECE] / scale) + zero_point
            result[first : first + PIECE] = np.clip(steps, 0, LEVELS)
        return result

    def facts(self) -> dict[str, object]:
        """What a checkpoint stores, as JSON values."""
        return {SCALE: list(self.scale), ZERO_POINT: list(self.zero_point)}

    @staticmethod
    def of(facts: Mapping[str, object], channels: int) -> InputScale | None:
        """The scale in a checkpoint's facts; None of a network that takes pixels.

        Raises
        ------
        ShiftbookError
            The facts are damaged.
        """
        if SCALE not in facts and ZERO_POINT not in facts:
            return None
        scale, zero_point = (_list(facts.get(name)) for name in (SCALE, ZERO_POINT))
        good = len(scale) == len(zero_point) == channels
        if not good or not all(map(_is_scale, scale)) or not all(type(zero) is int for zero in zero_point):
            raise ShiftbookError(
                f"the checkpoint's {SCALE} must be {channels} positive numbers and its {ZERO_POINT} as many "
                f"integers, not {scale!s:.60} and {zero_point!s:.60}: compress the network again"
            )
        return InputScale(tuple(map(float, scale)), tuple(zero_point))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_scale(value: object) -> bool:
    return type(value) in (int, float) and LEAST_SCALE <= value < float("inf")  # type: ignore[operator]
