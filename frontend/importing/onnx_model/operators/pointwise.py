"""Functions of each element, and sums and products of tensors."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from shiftbook.frontend.importing.onnx_model.values import Function, OnnxNode

LARGEST = torch.finfo(torch.float32).max
"""Limits of this size stand for none."""

SELU = (1.6732632423543772, 1.0507009873554805)
"""Alpha and gamma."""


def clip(node: OnnxNode, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """Between limits, where they are given."""
    return clamped(x, -math.inf if low is None else float(low), math.inf if high is None else float(high))


def clamped(x: Tensor, low: float, high: float) -> Tensor:
    """Between limits; those of float32 are none."""
    if low == 0 and high >= LARGEST:
        return functional.relu(x)
    if low <= -LARGEST and high >= LARGEST:
        return x
    return torch.clamp(x, None if low <= -LARGEST else low, None if high >= LARGEST else high)


def prelu(node: OnnxNode, x: Tensor, slope: Tensor) -> Tensor:
    """A slope for all, or for each channel."""
    dims = (1,) * (x.dim() - slope.dim()) + tuple(slope.shape)
    if slope.numel() > 1 and (slope.numel() != x.shape[1] or dims[1] != slope.numel()):
        raise node.refused(f"slopes must be one for each of {x.shape[1]} channels, not {list(slope.shape)}")
    return functional.prelu(x, slope.flatten())


def hard_sigmoid(node: OnnxNode, x: Tensor) -> Tensor:
    """``max(0, min(1, alpha x + beta))``."""
    alpha, beta = node.attribute("alpha", 0.2), node.attribute("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return functional.hardsigmoid(x)
    return torch.clamp(x * alpha + beta, 0, 1)


def selu(node: OnnxNode, x: Tensor) -> Tensor:
    """With the usual numbers."""
    alpha, gamma = node.attribute("alpha", SELU[0]), node.attribute("gamma", SELU[1])
    if abs(alpha - SELU[0]) > 1e-5 or abs(gamma - SELU[1]) > 1e-5:
        raise node.refused(
            f"alpha and gamma must be {SELU[0]:.6f} and {SELU[1]:.6f}, not {alpha} and {gamma}"
        )
    return functional.selu(x)


def softmax(log: bool) -> Function:
    """Over the last dimension by default; before opset 13 over all from ``axis`` on."""

    def compute(node: OnnxNode, x: Tensor) -> Tensor:
        function = functional.log_softmax if log else functional.softmax
        if node.version >= 13:
            return function(x, node.attribute("axis", -1))
        axis = node.attribute("axis", 1) % x.dim()
        flat = x.flatten(axis) if axis + 1 < x.dim() else x
        return function(flat, axis).reshape(x.shape)

    return compute


def gelu(node: OnnxNode, x: Tensor) -> Tensor:
    """Exact, or by a tanh."""
    return functional.gelu(x, approximate=node.attribute("approximate", "none"))


def swish(node: OnnxNode, x: Tensor) -> Tensor:
    """``x sigmoid(alpha x)``."""
    alpha = node.attribute("alpha", 1.0)
    return functional.silu(x) if alpha == 1 else x * torch.sigmoid(alpha * x)


def power(node: OnnxNode, x: Tensor, exponent: Tensor) -> Tensor:
    """Of a constant exponent."""
    return x * x if exponent.numel() == 1 and float(exponent) == 2 else torch.pow(x, exponent)


def several(compute: Function) -> Function:
    """A function of two tensors for any number of them."""

    def folded(node: OnnxNode, *tensors: Tensor) -> Tensor:
        return reduce(compute, tensors)

    return folded


def one(compute: Function) -> Function:
    """A function that needs no attributes."""

    def plain(node: OnnxNode, *tensors: Tensor) -> Tensor:
        node.bounded(np.broadcast_shapes(*(tuple(x.shape) for x in tensors)))
        return compute(*tensors)

    return plain


def extreme(compute: Function, low: bool) -> Function:
    """The largest or smallest of tensors; with one constant, a clamp."""

    def folded(node: OnnxNode, *tensors: Tensor) -> Tensor:
        variable = [x for x, kind in zip(tensors, node.kinds, strict=True) if kind is None]
        limits = [x for x, kind in zip(tensors, node.kinds, strict=True) if kind is not None]
        if len(variable) == 1 and limits and all(x.numel() == 1 for x in limits):
            end = float(reduce(compute, [x.flatten() for x in limits]))
            return clamped(variable[0], end, math.inf) if low else clamped(variable[0], -math.inf, end)
        return reduce(compute, tensors)

    return folded


OPERATORS: dict[str, Function] = {
    "Relu": one(functional.relu),
    "Clip": clip,
    "LeakyRelu": lambda node, x: functional.leaky_relu(x, node.attribute("alpha", 0.01)),
    "PRelu": prelu,
    "Sigmoid": one(torch.sigmoid),
    "HardSigmoid": hard_sigmoid,
    "HardSwish": one(functional.hardswish),
    "Tanh": one(torch.tanh),
    "Elu": lambda node, x: functional.elu(x, node.attribute("alpha", 1.0)),
    "Selu": selu,
    "Celu": lambda node, x: functional.celu(x, node.attribute("alpha", 1.0)),
    "Softplus": one(functional.softplus),
    "Mish": one(functional.mish),
    "Gelu": gelu,
    "Swish": swish,
    "Erf": one(torch.erf),
    "Exp": one(torch.exp),
    "Sqrt": one(torch.sqrt),
    "Pow": power,
    "Neg": one(torch.neg),
    "Softmax": softmax(log=False),
    "LogSoftmax": softmax(log=True),
    "Add": one(torch.add),
    "Sub": one(torch.sub),
    "Mul": one(torch.mul),
    "Div": one(torch.div),
    "Sum": several(torch.add),
    "Max": extreme(torch.maximum, low=True),
    "Min": extreme(torch.minimum, low=False),
}
