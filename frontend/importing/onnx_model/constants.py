"""Nodes of constants alone: the arithmetic of shapes, and weights that are computed from others.

The onnx package computes them. How many numbers a node gives is told before, so that a small file cannot ask
for a huge constant.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from shiftbook.frontend.importing.onnx_model.values import OnnxNode
from shiftbook.golden.errors import ShiftbookError, first_line

Array = NDArray[Any]

MOST_BYTES = 1 << 30
"""Of all constants that a graph computes."""

LIKE_INPUT = frozenset(
    (  # noqa: SIM905
        "Abs Cast CastLike Ceil Clip CumSum Erf Exp Flatten Floor Identity Log Neg Not QuantizeLinear "
        "Reciprocal ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu Reshape Round ScatterElements "
        "ScatterND Sigmoid Sign Slice Split Sqrt Squeeze Tanh Transpose Unsqueeze"
    ).split()
)
"""Give at most as many numbers as their first input has."""

BROADCAST = frozenset(
    (  # noqa: SIM905
        "Add And Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod Mul Or Pow Sub Sum Where "
        "Xor"
    ).split()
)
"""Give a number for each element of their inputs, broadcast."""


def _gathered(data: Array, indices: Array, axis: int) -> int:
    return data.size // max(1, data.shape[axis]) * indices.size


def _padded(node: OnnxNode, data: Array, pads: Array, *rest: Any) -> int:
    grown = sum(abs(int(n)) for n in pads.flat)
    return math.prod(size + grown for size in data.shape)


def _counted(node: OnnxNode, start: Array, end: Array, step: Array) -> int:
    return abs(int((float(end) - float(start)) / (float(step) or 1))) + 1


GROWING: dict[str, Callable[..., int]] = {
    "Concat": lambda node, *parts: sum(part.size for part in parts),
    "ConstantOfShape": lambda node, shape: math.prod(map(int, shape.flat)),
    "Expand": lambda node, data, shape: math.prod(np.broadcast_shapes(data.shape, tuple(map(int, shape)))),
    "Gather": lambda node, data, indices: _gathered(data, indices, node.attribute("axis", 0)),
    "MatMul": lambda node, a, b: a.size * b.size // max(1, a.shape[-1]),
    "Pad": _padded,
    "Range": _counted,
    "Tile": lambda node, data, times: data.size * math.prod(map(int, times.flat)),
}
"""Numbers that others give, from the node and its inputs."""


def evaluated(node: OnnxNode, inputs: Sequence[Array | None], left: int) -> list[Array]:
    """The outputs of a node.

    Parameters
    ----------
    left
        Bytes that it may still give.

    Raises
    ------
    ShiftbookError
        It cannot be computed, or gives too much; names the node.
    """
    try:
        count = _count(node, inputs)
        if count is not None and 8 * count <= left:
            return _run(node, inputs)
    except Exception as error:  # its operators raise nearly anything
        raise node.failed(f"it cannot be computed: {first_line(error)}") from error
    if count is None:
        raise node.refused("it does not run on constants")
    raise ShiftbookError(f"{node} asks for {count:,} numbers, and a graph may compute {MOST_BYTES:,} bytes")


def _count(node: OnnxNode, inputs: Sequence[Array | None]) -> int | None:
    """Numbers that a node gives, at most; None for operators that are not known."""
    given = [value for value in inputs if value is not None]
    if node.operator in LIKE_INPUT:
        return given[0].size
    if node.operator in BROADCAST:
        return math.prod(np.broadcast_shapes(*(value.shape for value in given)))
    found = GROWING.get(node.operator)
    return None if found is None else found(node, *inputs)


def _run(node: OnnxNode, inputs: Sequence[Array | None]) -> list[Array]:
    """By the rules of the file's operator set."""
    graph = onnx.GraphProto(node=[node.proto])
    named = {name: value for name, value in zip(node.inputs, inputs, strict=True) if name}
    for name in named:
        graph.input.add(name=name)
    for name in filter(None, node.outputs):
        graph.output.add(name=name)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found: Any = ReferenceEvaluator(graph, opsets={node.proto.domain: node.version}).run(None, named)
    return [np.asarray(value) for value in found]
