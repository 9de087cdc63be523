"""Integers that stand for real values, and gains as integers: what every lowered layer is written in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import LEAST_SHIFT, Spec

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVELS = 255
"""Steps from the lowest to the highest integer."""


@dataclass(frozen=True)
class Affine:
    """How the integers 0..255 of a tensor stand for real values: ``scale * (integer - zero_point)``."""

    scale: float
    zero_point: int

    @staticmethod
    def spanning(low: float, high: float) -> Affine:
        """The finest scale that reaches from ``low`` to ``high`` and has an integer for 0."""
        low, high = min(low, 0.0), max(high, 0.0)
        if high - low < 1e-30:
            return Affine(1.0, 0)
        scale = (high - low) / LEVELS
        return Affine(scale, int(np.clip(np.rint(-low / scale), 0, LEVELS)))

    def range(self) -> tuple[float, float]:
        """The real values of the lowest and the highest integer."""
        return -self.scale * self.zero_point, self.scale * (LEVELS - self.zero_point)

    def quantize(self, real: NDArray[np.floating]) -> Reals:
        """The nearest representable values."""
        return self.levels()[self.integers(real)]

    def integers(self, real: NDArray[np.floating]) -> Ints:
        """The integers of the nearest representable values."""
        return np.clip(np.rint(real / self.scale) + self.zero_point, 0, LEVELS).astype(np.int64)

    def levels(self) -> Reals:
        """[256] the real value of each integer."""
        return (np.arange(LEVELS + 1, dtype=np.float64) - self.zero_point) * self.scale


def fixed_point(gain: Reals, spec: Spec) -> tuple[Ints, Ints]:
    """Multipliers and shifts with ``multiplier / 2^shift`` as near to ``gain`` as the widths allow.

    Parameters
    ----------
    gain
        [O], not negative.

    Raises
    ------
    ShiftbookError
        A gain exceeds the largest multiplier.
    """
    largest = (1 << spec.multiplier_width) - 1
    # The largest shift at which the rounded multiplier still fits.
    room = np.floor(np.log2((largest + 0.499) / np.maximum(gain, 1e-300)))
    shift = np.minimum(room, spec.largest_shift).astype(np.int64)
    if (shift < LEAST_SHIFT).any():
        raise ShiftbookError(
            f"a requantizer gain of {float(gain.max()):.4g} exceeds the largest that can be said, "
            f"{largest / (1 << LEAST_SHIFT):.4g}; is the output's range much smaller than the input's?"
        )
    return np.rint(gain * np.exp2(shift)).astype(np.int64), shift


def named_fixed_point(name: str, gain: Reals, spec: Spec) -> tuple[Ints, Ints]:
    """``fixed_point``, with the layer's name in the error."""
    try:
        return fixed_point(gain, spec)
    except ShiftbookError as error:
        raise ShiftbookError(f"layer {name}: {error}") from error
