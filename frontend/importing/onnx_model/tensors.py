"""Numbers as an ONNX file stores them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from shiftbook.frontend.weights.assigning import cut
from shiftbook.golden.errors import ShiftbookError, first_line

REAL = (
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.BFLOAT16,
    onnx.TensorProto.DOUBLE,
)
"""All are read as float32."""

WHOLE = re.compile(r"(u?)int(\d+)|bool")
"""Names of the other types that are read; torch stores those of fewer than 8 bits as 8 bits."""


def array_of(tensor: onnx.TensorProto) -> NDArray[Any]:
    """The numbers of a tensor, of float32 where they are real.

    Raises
    ------
    ShiftbookError
        They are no numbers, their shape does not fit their count, or one is NaN.
    """
    name = cut(tensor.name) or "of a node"
    try:
        array = np.asarray(onnx.numpy_helper.to_array(tensor))
    except Exception as error:  # of damaged tensors nearly anything
        raise ShiftbookError(f"the tensor {name} is damaged: {first_line(error)}") from error
    if tensor.data_type in REAL:
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
        bad = int(np.isnan(array).sum())
        if bad:
            raise ShiftbookError(f"the tensor {name} has {bad} NaN values: weights must be finite")
    elif not WHOLE.fullmatch(array.dtype.name):
        kind = onnx.TensorProto.DataType.Name(tensor.data_type)
        raise ShiftbookError(f"the tensor {name} is of {kind}, not of real numbers or integers")
    return array


def range_of(kind: np.dtype[Any]) -> tuple[int, int] | None:
    """Lowest and highest integer of a type; None for other numbers."""
    found = WHOLE.fullmatch(kind.name)
    if found is None or found[2] is None:
        return None
    bits = int(found[2])
    return (0, 2**bits - 1) if found[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def as_tensor(value: Any) -> Any:
    """A constant as a tensor, of float32 where it is real."""
    if not isinstance(value, np.ndarray):
        return value
    ends = range_of(value.dtype)
    if ends is not None and ends[1] - ends[0] < 255:
        value = value.astype(np.int8 if ends[0] else np.uint8)
    elif ends is None and value.dtype != np.bool_:
        value = value.astype(np.float32)
    elif value.dtype in (np.uint16, np.uint32, np.uint64):
        value = value.astype(np.int64)
    return torch.from_numpy(np.array(value))


def numbers(given: Any) -> list[int] | None:
    """A list of integers, from an input or an attribute."""
    if given is None:
        return None
    if isinstance(given, Tensor):
        found: list[int] = given.flatten().tolist()
        return found
    return list(given)
