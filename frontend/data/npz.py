"""Arrays of an .npz file, each measured by its header before memory is taken for it."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.golden.limits import limits

PIECE = 1 << 20
"""Bytes that are read at once."""


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Those of the named arrays that the file holds.

    Raises
    ------
    ShiftbookError
        The file is no .npz file or damaged; or an array holds Python objects or has other bytes than its
        shape says; or together they are larger than `golden.limits` allows.
    """
    try:
        with warnings.catch_warnings(), zipfile.ZipFile(path) as file:
            warnings.simplefilter("ignore")  # about headers that Python 2 wrote
            members = set(file.namelist())
            found: dict[str, NDArray[Any]] = {}
            for name in names:
                if f"{name}.npy" in members:
                    found[name] = _array(file, path, name, sum(array.nbytes for array in found.values()))
            return found
    except (ShiftbookError, MemoryError):
        raise
    except Exception as error:  # damaged files make zipfile and NumPy's header parser raise nearly anything
        raise ShiftbookError(
            f"{path} is not a readable .npz file, as numpy.savez writes it: {first_line(error)}"
        ) from error


def _array(file: zipfile.ZipFile, path: Path, name: str, before: int) -> NDArray[Any]:
    """One array; those read before it have so many bytes."""
    with file.open(f"{name}.npy") as stream:
        shape, fortran, dtype = _header(stream)
        if dtype.hasobject or dtype.itemsize == 0:
            raise ShiftbookError(f"{name} in {path} must hold numbers, not {dtype}")
        size = prod(shape) * dtype.itemsize
        limits().check(f"{name} in {path} has too many bytes", "data_bytes", before + size)
        left = file.getinfo(f"{name}.npy").file_size - stream.tell()
        if min(shape, default=0) < 0 or left != size:
            raise ShiftbookError(
                f"{name} in {path} is damaged: shape {list(shape)} of {dtype} has not {left} bytes"
            )
        array = np.empty(shape, dtype, order="F" if fortran else "C")
        read = _fill(stream, array.reshape(-1, order="A").view(np.uint8).data)
    if read != size:
        raise ShiftbookError(f"{name} in {path} is damaged: it has {read} bytes, not {size}")
    return array


def _fill(stream: IO[bytes], target: memoryview) -> int:
    """Read piece by piece, so that no second copy is ever in memory; return how many bytes there were."""
    done = 0
    while done < len(target) and (piece := stream.read(min(PIECE, len(target) - done))):
        target[done : done + len(piece)] = piece
        done += len(piece)
    return done


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether the first index is the fastest, and type."""
    version = npy.read_magic(stream)
    if version == (1, 0):
        return npy.read_array_header_1_0(stream)
    if version == (2, 0):
        return npy.read_array_header_2_0(stream)
    raise ValueError(f"an array has format {version[0]}.{version[1]}, not 1.0 or 2.0")
