"""The table of a real function between two tensors of integers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from shiftbook.frontend.quantization.affine import LEVELS, Affine, Reals
from shiftbook.golden.model.function_table import ENTRIES, FunctionTable


def tabulated(function: Callable[[Reals], Reals], source: Affine, target: Affine) -> FunctionTable:
    """The integer nearest to the function of each integer; halves round up, as the requantizer's do.

    Parameters
    ----------
    function
        Of real values, in float64.
    source, target
        What integers stand for before and after.
    """
    real: Reals = source.scale * (np.arange(ENTRIES, dtype=np.float64) - source.zero_point)
    steps = np.floor(function(real) / target.scale + target.zero_point + 0.5)
    return FunctionTable(np.clip(steps, 0, LEVELS).astype(np.uint8).tobytes(), target.zero_point)
