"""One node of an ONNX graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shiftbook.golden.errors import ShiftbookError

Step = NDArray[np.float32]
"""[O], or one number: the real value of an integer step of weights that are quantized in the file."""

Function = Callable[..., Any]

QUANTIZERS = ("qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")
"""Domains of QONNX's operators."""


class OnnxNode(nn.Module):
    """A node: a module, so that it is named wherever it is met.

    Attributes
    ----------
    grid
        Step of the weights that the node gave, where it dequantized some.
    given
        Steps of its inputs, for weights that are on a grid.
    weights
        Names of its inputs that are constants.
    raw
        Whether it takes the integers of an image, moved perhaps.
    """

    def __init__(self, proto: onnx.NodeProto, name: str, version: int) -> None:
        super().__init__()
        self.proto, self.name, self.version = proto, name, version
        self.operator: str = proto.op_type
        self.inputs, self.outputs = list(proto.input), list(proto.output)
        self.attributes: dict[str, Any] = {
            attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in proto.attribute
        }
        self.function: Function | None = None
        self.grid: Step | None = None
        self.given: Sequence[Step | None] = ()
        self.weights: frozenset[str] = frozenset()
        self.raw = False

    @property
    def quantizes(self) -> bool:
        """Whether the operator is one of QONNX."""
        return self.proto.domain in QUANTIZERS

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute, text as str."""
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def refused(self, why: str) -> ShiftbookError:
        """The error for this node."""
        return ShiftbookError(f"unsupported operation {self.operator} at '{self.name}': {why}")

    def forward(self, inputs: Sequence[Any], grids: Sequence[Step | None]) -> Sequence[Any]:
        """Compute the node, constants as tensors."""
        if self.function is None:
            raise ShiftbookError(f"unsupported operation {self.operator} at '{self.name}'")
        self.given, self.grid = grids, None
        self.weights = frozenset(
            name for name, value in zip(self.inputs, inputs, strict=True) if isinstance(value, np.ndarray)
        )
        result = self.function(self, *(as_tensor(value) for value in inputs))
        return result if isinstance(result, tuple) else (result,)


def as_tensor(value: Any) -> Any:
    """A constant as a tensor, of float32 where it is real."""
    if not isinstance(value, np.ndarray):
        return value
    if np.issubdtype(value.dtype, np.floating):
        value = value.astype(np.float32)
    return torch.from_numpy(np.array(value))


def numbers(given: Tensor | Sequence[int] | None) -> list[int] | None:
    """A list of integers, from an input or an attribute."""
    if given is None:
        return None
    if isinstance(given, Tensor):
        found: list[int] = given.flatten().tolist()
        return found
    return list(given)
