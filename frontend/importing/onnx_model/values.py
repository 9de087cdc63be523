"""One node of an ONNX graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from shiftbook.frontend.importing.onnx_model.tensors import as_tensor
from shiftbook.frontend.importing.recording.recorder import Operation
from shiftbook.frontend.weights.assigning import cut
from shiftbook.golden.errors import ShiftbookError

Step = NDArray[np.float32]
"""Broadcast to weights that are quantized in the file: the real value of an integer step of each."""

Code = tuple[float, int]
"""Scale and zero point of the integers that stand for a tensor."""

Function = Callable[..., Any]

QUANTIZERS = ("qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")
"""Domains of QONNX's operators."""

MOST_ELEMENTS = 1 << 26
"""Of a tensor that depends on the image and grows, for the images of the example."""


class Padding(nn.Module):
    """Pads within a node: a module of its own, so that the node's name is left for what it computes."""

    def forward(self, x: Tensor, pads: Sequence[int], value: float = 0.0) -> Tensor:
        """Constants around; ``pads`` as `torch.nn.functional.pad` takes them."""
        return functional.pad(x, list(pads), value=value) if any(pads) else x


class OnnxNode(Operation):
    """A node: a module, so that it is named wherever it is met.

    Attributes
    ----------
    grid
        Step of the weights that the node gave, where it dequantized some.
    given
        Steps of its inputs, for weights that are on a grid.
    kinds
        NumPy types of its inputs that are constants; None for others.
    raw
        Whether it takes the integers of an image, moved perhaps.
    code
        What the integers of ``QuantizeLinear`` that it takes stand for, and then those that it gives.
    """

    def __init__(self, proto: onnx.NodeProto, name: str, version: int) -> None:
        super().__init__()
        self.proto, self.name, self.version = proto, name, version
        self.operator = proto.op_type
        self.inputs, self.outputs = list(proto.input), list(proto.output)
        self.attributes: dict[str, Any] = {
            attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in proto.attribute
        }
        self.function: Function | None = None
        self.grid: Step | None = None
        self.given: Sequence[Step | None] = ()
        self.kinds: Sequence[np.dtype[Any] | None] = ()
        self.raw = False
        self.code: Code | None = None
        self.margin = Padding()

    @property
    def quantizes(self) -> bool:
        """Whether the operator is one of QONNX."""
        return self.proto.domain in QUANTIZERS

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute, text as str."""
        value = self.attributes.get(name, default)
        return value.decode(errors="replace") if isinstance(value, bytes) else value

    def __str__(self) -> str:
        """For people."""
        return f"{cut(self.operator)} at '{cut(self.name)}'"

    def refused(self, why: str = "") -> ShiftbookError:
        """The error for a node that does not run."""
        return ShiftbookError(f"unsupported operation {self}" + (f": {why}" if why else ""))

    def failed(self, why: str) -> ShiftbookError:
        """The error for a node whose inputs or attributes are wrong."""
        return ShiftbookError(f"{self}: {why}")

    def bounded(self, shape: Sequence[int]) -> None:
        """Refuse to make a tensor of this shape where it would be huge."""
        if (count := math.prod(map(abs, shape))) > MOST_ELEMENTS:
            raise self.failed(f"a tensor of {count:,} numbers is too large")

    def forward(self, inputs: Sequence[Any], grids: Sequence[Step | None]) -> Sequence[Any]:
        """Compute the node, constants as tensors."""
        if self.function is None:
            raise self.refused()
        self.given, self.grid = grids, None
        self.kinds = [value.dtype if isinstance(value, np.ndarray) else None for value in inputs]
        result = self.function(self, *map(as_tensor, inputs))
        return result if isinstance(result, tuple) else (result,)
