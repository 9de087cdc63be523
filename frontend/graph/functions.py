"""Functions of each element alone that the accelerator looks up in a table."""

from __future__ import annotations

from torch import nn

from shiftbook.frontend.graph.operations import Clamp, Line

RISING = (
    nn.Sigmoid,
    nn.Hardsigmoid,
    nn.Tanh,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.Softplus,
    nn.LogSigmoid,
)
"""Of these a larger input never has a smaller output."""

CLAMPS = (nn.ReLU, nn.ReLU6, Clamp)
"""What a requantizer's ends do."""

NAMED = (*RISING, nn.LeakyReLU, nn.PReLU, nn.SiLU, nn.Mish, nn.GELU, nn.Hardswish)
"""What a model calls by its name."""

FUNCTIONS = (*NAMED, Line)
"""All that are looked up in a table."""

NOT_BELOW_ZERO = (nn.Sigmoid, nn.Hardsigmoid, nn.Softplus, nn.ReLU, nn.ReLU6)


KEEP_SIGN = (
    nn.Tanh,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.LeakyReLU,
    nn.PReLU,
    nn.SiLU,
    nn.Mish,
    nn.GELU,
    nn.Hardswish,
)
"""These make nothing below 0 of what is not."""


def keeps_sign(operation: nn.Module) -> bool:
    """Whether what is not below 0 stays so."""
    if isinstance(operation, Line):
        return operation.scale >= 0 and operation.offset >= 0
    return isinstance(operation, KEEP_SIGN)


def never_negative(operation: nn.Module) -> bool:
    """Whether no output of a function or a clamp is below 0."""
    if isinstance(operation, Clamp):
        return operation.low >= 0
    return isinstance(operation, NOT_BELOW_ZERO)


def rises(operation: nn.Module) -> bool:
    """Whether a function keeps the order of its inputs, so that the largest of them stays the largest."""
    if isinstance(operation, nn.LeakyReLU):
        return operation.negative_slope >= 0
    if isinstance(operation, nn.PReLU):
        return bool((operation.weight >= 0).all())
    if isinstance(operation, (nn.ELU, nn.CELU)):
        return operation.alpha >= 0
    if isinstance(operation, Line):
        return operation.scale >= 0
    return isinstance(operation, RISING)
