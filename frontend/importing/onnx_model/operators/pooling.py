"""Pooling and reductions."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from shiftbook.frontend.importing.onnx_model.operators.weighted import check_rank, padding
from shiftbook.frontend.importing.onnx_model.tensors import numbers
from shiftbook.frontend.importing.onnx_model.values import Function, OnnxNode


def max_pool(node: OnnxNode, x: Tensor) -> Tensor:
    """Of one or two dimensions; what is outside never wins."""
    kernel, stride, dilation = _windows(node)
    pads = padding(node, x, kernel, stride, dilation)
    ceil = bool(node.attribute("ceil_mode", 0))
    compute: Any = functional.max_pool1d if len(kernel) == 1 else functional.max_pool2d
    if _even(pads, kernel):
        return compute(x, kernel, stride, tuple(pads[-2::-2]), dilation, ceil)
    return compute(node.margin(x, pads, -math.inf), kernel, stride, 0, dilation, ceil)


def average_pool(node: OnnxNode, x: Tensor) -> Tensor:
    """Of one or two dimensions."""
    kernel, stride, dilation = _windows(node)
    if any(d != 1 for d in dilation):
        raise node.refused(f"dilations must be 1, not {list(dilation)}")
    pads = padding(node, x, kernel, stride, dilation)
    ceil, whole = bool(node.attribute("ceil_mode", 0)), bool(node.attribute("count_include_pad", 0))
    compute: Any = functional.avg_pool1d if len(kernel) == 1 else functional.avg_pool2d
    if _even(pads, kernel):
        return compute(x, kernel, stride, tuple(pads[-2::-2]), ceil, whole)
    if not whole:
        raise node.refused(f"pads must be even where count_include_pad is 0, not {pads}")
    return compute(node.margin(x, pads), kernel, stride, 0, ceil)


def _windows(node: OnnxNode) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Kernel, stride and dilation."""
    kernel = tuple(node.attribute("kernel_shape"))
    check_rank(node, len(kernel))
    ones = [1] * len(kernel)
    return kernel, tuple(node.attribute("strides", ones)), tuple(node.attribute("dilations", ones))


def _even(pads: list[int], kernel: tuple[int, ...]) -> bool:
    """Whether torch pads so by itself: as much before as behind, and at most half a window."""
    before, after = pads[-2::-2], pads[::-1][::2]
    return before == after and all(2 * p <= k for p, k in zip(before, kernel, strict=True))


def over_maps(compute: Function) -> Function:
    """A reduction of all maps to one pixel."""

    def reduced(node: OnnxNode, x: Tensor) -> Tensor:
        return compute(x, tuple(range(2, x.dim())), True)

    return reduced


def reduction(compute: Function) -> Function:
    """Axes are an attribute or, in newer operator sets, an input."""

    def reduced(node: OnnxNode, x: Tensor, axes: Tensor | None = None) -> Tensor:
        chosen = numbers(axes if axes is not None else node.attribute("axes"))
        if not chosen:
            if node.attribute("noop_with_empty_axes", 0):
                return x
            chosen = list(range(x.dim()))
        return compute(x, tuple(chosen), bool(node.attribute("keepdims", 1)))

    return reduced


OPERATORS: dict[str, Function] = {
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": over_maps(torch.mean),
    "GlobalMaxPool": over_maps(torch.amax),
    "ReduceMean": reduction(torch.mean),
    "ReduceSum": reduction(torch.sum),
    "ReduceMax": reduction(torch.amax),
}
