"""A function of one activation as a table, for what a clamp cannot say: SiLU, sigmoid, leaky ReLU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.spec import ACTIVATION_WIDTH

ENTRIES = 1 << ACTIVATION_WIDTH
"""Of a table: one for each activation."""


@dataclass(frozen=True)
class FunctionTable:
    """``y = values[x]`` for each activation x that a requantizer makes.

    Layers that have equal tables share one, in a checkpoint and on the accelerator.

    Attributes
    ----------
    values
        `ENTRIES` bytes: y of x = 0, 1, ..., 255.
    zero_point
        Of y, 0..255.
    """

    values: bytes
    zero_point: int

    def __call__(self, activations: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """y of every x, in the same shape."""
        return np.frombuffer(self.values, np.uint8)[activations]
