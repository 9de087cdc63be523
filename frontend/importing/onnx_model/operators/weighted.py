"""Convolutions, matrix products and batch norm."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from shiftbook.frontend.importing.onnx_model.values import Function, OnnxNode


def conv(node: OnnxNode, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Of one or two dimensions."""
    rank = weight.dim() - 2
    stride = tuple(node.attribute("strides", [1] * rank))
    dilation = tuple(node.attribute("dilations", [1] * rank))
    kernel = tuple(weight.shape[2:])
    x = functional.pad(x, padding(node, x, kernel, stride, dilation))
    compute: Any = functional.conv1d if rank == 1 else functional.conv2d
    marked(node, weight)
    return compute(x, weight, bias, stride, 0, dilation, node.attribute("group", 1))


def conv_transpose(node: OnnxNode, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Of two dimensions."""
    rank = weight.dim() - 2
    stride = tuple(node.attribute("strides", [1] * rank))
    pads = node.attribute("pads", [0] * 2 * rank)
    extra = tuple(node.attribute("output_padding", [0] * rank))
    automatic = node.attribute("auto_pad", "NOTSET")
    if node.attribute("output_shape") is not None or automatic not in ("NOTSET", "VALID"):
        raise node.refused("output_shape and auto_pad are not read: give pads")
    before, after = pads[:rank], pads[rank:]
    extra = tuple(e + b - a for e, b, a in zip(extra, before, after, strict=True))
    if min(extra) < 0:
        raise node.refused(f"pads must be even, not {pads}")
    compute: Any = functional.conv_transpose1d if rank == 1 else functional.conv_transpose2d
    dilation = tuple(node.attribute("dilations", [1] * rank))
    group = node.attribute("group", 1)
    return compute(x, weight, bias, stride, tuple(before), extra, group, dilation)


def padding(node: OnnxNode, x: Tensor, kernel: Any, stride: Any, dilation: Any) -> list[int]:
    """Zeros as `torch.nn.functional.pad` takes them, the last dimension first."""
    rank = len(kernel)
    automatic = node.attribute("auto_pad", "NOTSET")
    pads = list(node.attribute("pads", [0] * 2 * rank))
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        sums = [
            max(0, (-(-size // s) - 1) * s + (k - 1) * d + 1 - size)
            for size, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True)
        ]
        small = [total // 2 for total in sums]
        large = [total - half for total, half in zip(sums, small, strict=True)]
        pads = small + large if automatic == "SAME_UPPER" else large + small
    elif automatic == "VALID":
        pads = [0] * 2 * rank
    return [pads[axis + side * rank] for axis in reversed(range(rank)) for side in (0, 1)]


def marked(node: OnnxNode, weight: Tensor) -> None:
    """Let weights know the grid that the file has them on."""
    if len(node.given) > 1 and node.given[1] is not None:
        weight.grid = torch.from_numpy(node.given[1])  # type: ignore[attr-defined]


def gemm(node: OnnxNode, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A fully connected layer."""
    alpha, beta = node.attribute("alpha", 1.0), node.attribute("beta", 1.0)
    if node.attribute("transA", 0):
        x = x.t()
    outputs_first = weight if node.attribute("transB", 0) else weight.t()
    if alpha != 1:
        outputs_first = outputs_first * alpha
    else:
        marked(node, outputs_first)
    if bias is not None:
        bias = (bias * beta).expand(len(outputs_first)) if bias.dim() < 2 else bias.flatten() * beta
    return functional.linear(x, outputs_first, bias)


def matmul(node: OnnxNode, x: Tensor, weight: Tensor) -> Tensor:
    """A fully connected layer without its bias, which an Add brings."""
    if weight.dim() == 2:
        outputs_first = weight.t()
        marked(node, outputs_first)
        return functional.linear(x, outputs_first)
    return torch.matmul(x, weight)


def batch_norm(
    node: OnnxNode, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor
) -> Tensor:
    """With the statistics of training."""
    if node.attribute("training_mode", 0):
        raise node.refused("it must be in evaluation mode")
    return functional.batch_norm(x, mean, variance, scale, bias, eps=node.attribute("epsilon", 1e-5))


OPERATORS: dict[str, Function] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Gemm": gemm,
    "MatMul": matmul,
    "BatchNormalization": batch_norm,
}
