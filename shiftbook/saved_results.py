"""The file of a network's results: what ``shiftbook run --save`` writes."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.errors import ShiftbookError
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
        The file cannot be written, or a result is named like the scale or the zero point of another one.
    """
    zero = zero_points(network)
    arrays: dict[str, Any] = dict(results)
    for name in results:
        facts = {f"{name}.zero_point": np.array(zero[name])}
        if name in network.scales:
            facts[f"{name}.scale"] = np.array(network.scales[name])
        if twice := sorted(arrays.keys() & facts):
            raise ShiftbookError(
                f"cannot write {path}: result {twice[0]} has the name of a fact of result {name}; "
                "rename one of the two layers"
            )
        arrays |= facts
    # np.savez takes names as arguments, and one of them could be that of an argument of its own.
    with open_output(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
