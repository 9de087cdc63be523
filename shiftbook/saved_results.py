"""The file of a network's results: what ``shiftbook run --save`` writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.files import open_output
from shiftbook.golden.model.network import Network, zero_points


def save_results(path: Path, network: Network, results: Mapping[str, NDArray[np.uint8]]) -> None:
    """Write an .npz file with ``NAME``, ``NAME.scale`` and ``NAME.zero_point`` of each result.

    The real values are ``scale * (integer - zero_point)``.

    Parameters
    ----------
    results
        uint8 [N, h, w, c] by name.

    Raises
    ------
    ShiftbookError
        The file cannot be written.
    """
    zero = zero_points(network)
    arrays: dict[str, Any] = {}
    for name, tensor in results.items():
        arrays |= {name: tensor, f"{name}.zero_point": np.array(zero[name])}
        if name in network.scales:
            arrays[f"{name}.scale"] = np.array(network.scales[name])
    with open_output(path) as file:
        np.savez(file, **arrays)
