"""An ONNX graph as a PyTorch module: it computes what the file says, and is read like any other model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from torch import Tensor, nn

from shiftbook.frontend.importing.onnx_model.constants import MOST_BYTES, Array, evaluated
from shiftbook.frontend.importing.onnx_model.operators import OPERATORS
from shiftbook.frontend.importing.onnx_model.tensors import REAL, array_of
from shiftbook.frontend.importing.onnx_model.values import Code, OnnxNode, Step
from shiftbook.frontend.weights.assigning import cut, some
from shiftbook.golden.errors import ShiftbookError

INTEGERS = (onnx.TensorProto.UINT8, onnx.TensorProto.INT8)
"""Types of images that are integers."""

OWN = ("Shape", "Size", "DequantizeLinear", "Quant", "IntQuant", "BipolarQuant", "Constant")
"""Operators that constants go through too, because more than the numbers matters."""

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that reports name: they get their names first."""

MOVING = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Cast")
"""Operators that leave integers as they are: those of an image, and those of weights with their steps."""

PICKING = ("MaxPool", "Concat", "Split", "Slice", "Gather", "DepthToSpace", "SpaceToDepth")
"""Operators that give integers that they take."""

CARRYING = ("DequantizeLinear", *PICKING, *(name for name in MOVING if name != "Cast"))
"""Operators that may take what ``QuantizeLinear`` makes: they pick integers, or read them as they are."""

WEIGHT = re.compile(r"(.+)\.weight(_quantized)?")
"""Names of weights that begin with the path of their module."""

GRAPHS = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)


class OnnxModel(nn.Module):
    """Runs an ONNX graph.

    Parameters
    ----------
    graph
        Checked by the onnx package.
    operator_sets
        Versions by domain.

    Raises
    ------
    ShiftbookError
        The graph takes something else than one image of numbers, has graphs within nodes, or bad weights.
    """

    def __init__(self, graph: onnx.GraphProto, operator_sets: Mapping[str, int]) -> None:
        super().__init__()
        _check(graph)
        self.constants: dict[str, Array] = {tensor.name: array_of(tensor) for tensor in graph.initializer}
        image = _image(graph)
        self.input = image.name
        self.input_type = image.type.tensor_type.elem_type
        self.input_dims = tuple(dim.dim_value or None for dim in image.type.tensor_type.shape.dim)
        self.outputs = [value.name for value in graph.output]
        self.steps: list[OnnxNode] = []
        origins = _origins(graph)
        self.channels = _channels(self.input_dims, self._first_window(graph, origins))
        for proto, name in zip(graph.node, _names(graph, origins), strict=True):
            node = OnnxNode(proto, name, operator_sets.get(proto.domain, 1))
            if (proto.domain in ("", "ai.onnx") or node.quantizes) and proto.op_type in OPERATORS:
                node.function = OPERATORS[proto.op_type]
            self._modules[name] = node
            self.steps.append(node)

    def forward(self, x: Tensor) -> Any:
        """Images [N, C, H, W], normalized as the network wants them."""
        values: dict[str, Any] = {**self.constants, self.input: self._laid_out(x)}
        grids: dict[str, Step] = {}
        codes: dict[str, Code] = {}
        raw = {self.input} if self.input_type in INTEGERS else set()
        left = MOST_BYTES
        for node in self.steps:
            inputs = [_value(values, name, node) for name in node.inputs]
            node.raw = not raw.isdisjoint(node.inputs)
            node.code = _code(node, codes)
            if (
                all(isinstance(value, np.ndarray) or value is None for value in inputs)
                and node.operator not in OWN
            ):
                results = evaluated(node, inputs, left)
                left -= sum(value.nbytes for value in results)
                node.grid = _moved(node, inputs, grids.get(node.inputs[0]))
            else:
                results = list(node(inputs, [grids.get(name) for name in node.inputs]))
            if node.raw and node.operator in MOVING:
                raw.update(node.outputs)
            values.update(zip(node.outputs, results, strict=False))
            if node.code is not None:
                codes.update(dict.fromkeys(node.outputs, node.code))
            if node.grid is not None:
                grids[node.outputs[0]] = node.grid
        found = tuple(values[name] for name in self.outputs)
        return found[0] if len(found) == 1 else found

    def _first_window(self, graph: onnx.GraphProto, origins: Mapping[str, str]) -> int:
        """Input channels of the first convolution; 0 without one."""
        for proto in graph.node:
            weight = self.constants.get(origins.get(proto.input[1], "")) if len(proto.input) > 1 else None
            if proto.op_type == "Conv" and weight is not None and weight.ndim > 2:
                groups = next((a.i for a in proto.attribute if a.name == "group"), 1)
                return int(weight.shape[1] * groups)
        return 0

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


def _check(graph: onnx.GraphProto) -> None:
    """Refuse what no list of plain nodes says."""
    for node in graph.node:
        if any(attribute.type in GRAPHS for attribute in node.attribute):
            raise ShiftbookError(
                f"unsupported operation {cut(node.op_type)} at '{cut(node.name)}': it holds a graph"
            )
    if graph.sparse_initializer:
        raise ShiftbookError("the ONNX graph has sparse weights: store them dense")
    if not graph.output:
        raise ShiftbookError("the ONNX graph has no output: it must give class scores")


def _image(graph: onnx.GraphProto) -> onnx.ValueInfoProto:
    """The input that no initializer is a default of."""
    known = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in known]
    if len(inputs) != 1:
        names = f": {some([value.name for value in inputs])}" if inputs else ""
        raise ShiftbookError(f"the ONNX graph must take one image, not {len(inputs)} inputs{names}")
    (image,) = inputs
    kind = image.type.tensor_type.elem_type if image.type.HasField("tensor_type") else 0
    if kind not in (*REAL, *INTEGERS):
        shown = onnx.TensorProto.DataType.Name(kind) if kind in onnx.TensorProto.DataType.values() else kind
        raise ShiftbookError(
            f"the ONNX graph's input {cut(image.name)} must be of real numbers, uint8 or int8, not {shown}"
        )
    return image


def _value(values: Mapping[str, Any], name: str, node: OnnxNode) -> Any:
    """An input of a node; None where it is left out."""
    if name and name not in values:
        raise node.failed(f"its input {cut(name)} is a further output of an operation, which is not read")
    return values[name] if name else None


def _code(node: OnnxNode, codes: Mapping[str, Code]) -> Code | None:
    """What the integers that a node takes stand for; None where it takes none."""
    found = {codes[name] for name in node.inputs if name in codes}
    if not found or node.operator in ("Shape", "Size"):
        return None
    if node.operator not in CARRYING or len(found) > 1:
        raise node.refused("it must not compute with the integers of QuantizeLinear")
    return found.pop()


def _moved(node: OnnxNode, inputs: Sequence[Array | None], grid: Step | None) -> Step | None:
    """The steps of weights that a node of constants moves."""
    if grid is None or node.operator not in MOVING or inputs[0] is None:
        return None
    spread = np.broadcast_to(grid, inputs[0].shape)
    found: Step = evaluated(node, [spread, *inputs[1:]], MOST_BYTES)[0]
    return found


def _channels(dims: Sequence[int | None], window: int) -> int | None:
    """Channels of the image, where the graph says so: ``window`` is what the first convolution reads."""
    if len(dims) != 4:
        return None
    few = [d for d in (dims[1], dims[3]) if d is not None and (d == window or (d in (1, 3) and not window))]
    return few[0] if few else None


def _origins(graph: onnx.GraphProto) -> dict[str, str]:
    """The initializers that values are made of, weights that are dequantized or turned among them."""
    found = {tensor.name: tensor.name for tensor in graph.initializer}
    for proto in graph.node:
        if proto.input and proto.output and proto.input[0] in found:
            found.setdefault(proto.output[0], found[proto.input[0]])
    return found


def _names(graph: onnx.GraphProto, weights: Mapping[str, str]) -> list[str]:
    """A name for each node that people know: of its weights' module, or its own; each once."""
    found = [""] * len(graph.node)
    taken: set[str] = set()
    order = sorted(range(len(found)), key=lambda i: graph.node[i].op_type not in WEIGHTED)
    for i in order:
        proto = graph.node[i]
        known = [match[1] for n in proto.input[1:2] if (match := WEIGHT.fullmatch(weights.get(n, "")))]
        own = proto.name.split(";")[-1].strip("/")
        name = known[0] if known else own or proto.op_type.lower() or "node"
        unique, count = name, 1
        while unique in taken:
            count += 1
            unique = f"{name}@{count}"
        taken.add(unique)
        found[i] = unique
    return found
