"""An ONNX graph as a PyTorch module: it computes what the file says, and is read like any other model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

from shiftbook.frontend.importing.onnx_model.operators import OPERATORS
from shiftbook.frontend.importing.onnx_model.values import OnnxNode, Step
from shiftbook.golden.errors import ShiftbookError, first_line

INTEGERS = (onnx.TensorProto.UINT8, onnx.TensorProto.INT8)
"""Types of images that are integers."""

OWN = ("Shape", "Size", "DequantizeLinear", "Quant", "BipolarQuant", "Constant")
"""Operators that constants go through too, because more than the numbers matters."""

GROWING = ("ConstantOfShape", "Expand", "Tile", "Range", "OneHot", "EyeLike")
"""Operators that can make a huge constant of a small file."""

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that reports name: they get their names first."""

MOVING = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity")
"""Operators that leave the integers of an image as they are."""

MOST_ELEMENTS = 1 << 28
"""Of a constant that is computed."""

Array = NDArray[Any]


class OnnxModel(nn.Module):
    """Runs an ONNX graph.

    Parameters
    ----------
    graph
        Checked by the onnx package.
    operator_sets
        Versions by domain.
    """

    def __init__(self, graph: onnx.GraphProto, operator_sets: Mapping[str, int]) -> None:
        super().__init__()
        self.constants: dict[str, Array] = {
            tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer
        }
        inputs = [value for value in graph.input if value.name not in self.constants]
        if len(inputs) != 1:
            raise ShiftbookError(f"the ONNX graph must take one image, not {len(inputs)} inputs")
        self.input = inputs[0].name
        self.input_type = inputs[0].type.tensor_type.elem_type
        self.input_dims = tuple(d.dim_value or None for d in inputs[0].type.tensor_type.shape.dim)
        self.outputs = [value.name for value in graph.output]
        self.steps: list[OnnxNode] = []
        names = _names(graph)
        for proto, name in zip(graph.node, names, strict=True):
            node = OnnxNode(proto, name, operator_sets.get(proto.domain, 1))
            if (proto.domain in ("", "ai.onnx") or node.quantizes) and proto.op_type in OPERATORS:
                node.function = OPERATORS[proto.op_type]
            self._modules[name] = node
            self.steps.append(node)

    @property
    def channels(self) -> int | None:
        """Of the image, where the graph says so."""
        dims = self.input_dims[1:]
        if len(dims) != 3 or None in dims:
            return None
        few = [d for d in (dims[0], dims[2]) if d in (1, 3)]
        return few[0] if few else None

    def forward(self, x: Tensor) -> Any:
        """Images [N, C, H, W], normalized as the network wants them."""
        values: dict[str, Any] = dict(self.constants)
        grids: dict[str, Step] = {}
        values[self.input] = self._laid_out(x)
        raw = {self.input} if self.input_type in INTEGERS else set()
        for node in self.steps:
            inputs = [values[name] if name else None for name in node.inputs]
            node.raw = not raw.isdisjoint(node.inputs)
            constant = all(value is None or isinstance(value, np.ndarray) for value in inputs)
            if constant and node.operator not in OWN:
                results = _evaluated(node, inputs)
            else:
                results = node(inputs, [grids.get(name) for name in node.inputs])
            if node.raw and node.operator in MOVING:
                raw.update(node.outputs)
            values.update(zip(node.outputs, results, strict=False))
            if node.grid is not None:
                grids[node.outputs[0]] = node.grid
        results = [values[name] for name in self.outputs]
        return results[0] if len(results) == 1 else tuple(results)

    def _laid_out(self, x: Tensor) -> Tensor:
        """The image as the graph takes it: channels first or last, or without maps."""
        dims = self.input_dims[1:]
        for candidate in (
            x,
            x.permute(0, 2, 3, 1),
            x.squeeze(2),
            x.squeeze(2).transpose(1, -1),
            x.flatten(1),
        ):
            given = tuple(candidate.shape[1:])
            if len(given) == len(dims) and all(d is None or d == g for d, g in zip(dims, given, strict=True)):
                return candidate
        shown = ["any" if d is None else d for d in dims]
        raise ShiftbookError(
            f"the ONNX graph takes images of shape {shown}, and they are {list(x.shape[1:])}"
        )


def _names(graph: onnx.GraphProto) -> list[str]:
    """A name for each node that people know: of its weights' module, or its own; each once."""
    weights = {tensor.name for tensor in graph.initializer}
    found = [""] * len(graph.node)
    taken: set[str] = set()
    order = sorted(range(len(found)), key=lambda i: graph.node[i].op_type not in WEIGHTED)
    for i in order:
        proto = graph.node[i]
        weight = next((n for n in proto.input[1:2] if n in weights and n.endswith(".weight")), "")
        name = weight.removesuffix(".weight") or proto.name.split(";")[-1].strip("/") or proto.op_type.lower()
        unique, count = name, 1
        while unique in taken:
            count += 1
            unique = f"{name}@{count}"
        taken.add(unique)
        found[i] = unique
    return found


def _evaluated(node: OnnxNode, inputs: Sequence[Array | None]) -> Sequence[Any]:
    """A node of constants alone, computed by the onnx package."""
    if node.operator in GROWING:
        sizes = [
            np.prod(np.abs(value.astype(np.float64))) for value in inputs if value is not None and value.ndim
        ]
        if sizes and max(sizes) > MOST_ELEMENTS:
            raise ShiftbookError(f"{node.operator} at '{node.name}' asks for {max(sizes):.3g} numbers")
    try:
        evaluator = ReferenceEvaluator(node.proto)
        named = {name: value for name, value in zip(node.inputs, inputs, strict=True) if name}
        found: Any = evaluator.run(None, named)
        return list(found)
    except Exception as error:  # its operators raise nearly anything
        raise ShiftbookError(
            f"{node.operator} at '{node.name}' cannot be computed: {first_line(error)}"
        ) from error
