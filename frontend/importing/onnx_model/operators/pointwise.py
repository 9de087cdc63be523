"""Functions of each element, and sums and products of tensors."""

from __future__ import annotations

import math
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional

from shiftbook.frontend.importing.onnx_model.values import Function, OnnxNode


def clip(node: OnnxNode, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """Limits are attributes before opset 11."""
    least = node.attribute("min", -math.inf) if low is None else float(low)
    most = node.attribute("max", math.inf) if high is None else float(high)
    if least == 0 and most == math.inf:
        return functional.relu(x)
    return torch.clamp(x, None if least == -math.inf else least, None if most == math.inf else most)


def prelu(node: OnnxNode, x: Tensor, slope: Tensor) -> Tensor:
    """A slope for all, or for each channel."""
    return functional.prelu(x, slope.flatten())


def hard_sigmoid(node: OnnxNode, x: Tensor) -> Tensor:
    """``max(0, min(1, alpha x + beta))``."""
    alpha, beta = node.attribute("alpha", 0.2), node.attribute("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return functional.hardsigmoid(x)
    return torch.clamp(x * alpha + beta, 0, 1)


def softmax(log: bool) -> Function:
    """Over the last dimension by default; before opset 13 over all from ``axis`` on."""

    def compute(node: OnnxNode, x: Tensor) -> Tensor:
        axis = node.attribute("axis", -1 if node.version >= 13 else 1)
        return functional.log_softmax(x, axis) if log else functional.softmax(x, axis)

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
        return compute(*tensors)

    return plain


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
    "Selu": one(functional.selu),
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
    "Max": several(torch.maximum),
    "Min": several(torch.minimum),
}
