"""Convolutions, matrix products and batch norm."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from shiftbook.frontend.importing.onnx_model.values import Function, OnnxNode


def conv(node: OnnxNode, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Of one or two dimensions."""
    rank = check_rank(node, weight.dim() - 2)
    stride = tuple(node.attribute("strides", [1] * rank))
    dilation = tuple(node.attribute("dilations", [1] * rank))
    pads = padding(node, x, tuple(weight.shape[2:]), stride, dilation)
    before, after = pads[-2::-2], pads[::-1][::2]
    if before != after:
        x, before = node.margin(x, pads), [0] * rank
    compute: Any = functional.conv1d if rank == 1 else functional.conv2d
    weight = marked(weight, _step(node, weight))
    return compute(x, weight, bias, stride, tuple(before), dilation, node.attribute("group", 1))


def check_rank(node: OnnxNode, rank: int) -> int:
    """The number of dimensions of a window."""
    if rank not in (1, 2):
        raise node.refused(f"it must be of one or two dimensions, not {rank}")
    return rank


def conv_transpose(node: OnnxNode, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Of two dimensions."""
    rank = check_rank(node, weight.dim() - 2)
    stride = tuple(node.attribute("strides", [1] * rank))
    pads = node.attribute("pads", [0] * 2 * rank) if automatic_off(node) else [0] * 2 * rank
    extra = tuple(node.attribute("output_padding", [0] * rank))
    if node.attribute("output_shape") is not None:
        raise node.refused("output_shape is not read: give pads")
    before, after = pads[:rank], pads[rank:]
    extra = tuple(e + b - a for e, b, a in zip(extra, before, after, strict=True))
    if min(extra) < 0:
        raise node.refused(f"pads must be even, not {pads}")
    node.bounded([len(x), weight.shape[1], *(n * s for n, s in zip(x.shape[2:], stride, strict=True))])
    compute: Any = functional.conv_transpose1d if rank == 1 else functional.conv_transpose2d
    dilation = tuple(node.attribute("dilations", [1] * rank))
    group = node.attribute("group", 1)
    return compute(x, weight, bias, stride, tuple(before), extra, group, dilation)


def automatic_off(node: OnnxNode) -> bool:
    """Whether the node says its pads itself; no transposed convolution runs with the others."""
    automatic = node.attribute("auto_pad", "NOTSET")
    if automatic not in ("NOTSET", "VALID"):
        raise node.refused(f"auto_pad {automatic} is not read: give pads")
    return bool(automatic == "NOTSET")


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
    elif automatic != "NOTSET":
        raise node.failed(f"auto_pad must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, not {automatic}")
    if len(pads) != 2 * rank or min(pads, default=0) < 0 or min(*stride, *dilation, *kernel) < 1:
        raise node.failed(f"pads {pads}, strides {list(stride)} and dilations {list(dilation)} do not fit")
    node.bounded([*x.shape[:2], *(n + pads[i] + pads[i + rank] for i, n in enumerate(x.shape[2:]))])
    return [pads[axis + side * rank] for axis in reversed(range(rank)) for side in (0, 1)]


def _step(node: OnnxNode, weight: Tensor) -> Tensor | None:
    """Step of each weight, where the file has them on a grid."""
    given = node.given[1] if len(node.given) > 1 else None
    return None if given is None else torch.from_numpy(np.array(given)).expand(weight.shape)


def marked(weight: Tensor, step: Tensor | None) -> Tensor:
    """Weights that know their grid, where all weights of an output have one step."""
    if step is None:
        return weight
    each = step.reshape(len(step), -1)
    weight = weight.clone()
    if bool((each == each[:, :1]).all()):
        weight.grid = each[:, 0].clone()  # type: ignore[attr-defined]
    return weight


def gemm(node: OnnxNode, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A fully connected layer."""
    alpha, beta = node.attribute("alpha", 1.0), node.attribute("beta", 1.0)
    if node.attribute("transA", 0):
        x = x.t()
    step = _step(node, weight)
    if not node.attribute("transB", 0):
        weight, step = weight.t(), None if step is None else step.t()
    if alpha != 1:
        weight, step = weight * alpha, None if step is None else step * alpha
    if bias is None or not beta:
        return functional.linear(x, marked(weight, step))
    if bias.numel() not in (1, len(weight)) or bias.shape[-1:] not in ((), (1,), (len(weight),)):
        raise node.refused(f"its bias must be of {len(weight)} outputs, not {list(bias.shape)}")
    bias = (bias.flatten() * beta).expand(len(weight))
    return functional.linear(x, marked(weight, step), bias)


def matmul(node: OnnxNode, x: Tensor, weight: Tensor) -> Tensor:
    """A fully connected layer without its bias, which an Add brings."""
    if weight.dim() == 2 and x.dim() > 1:
        step = _step(node, weight)
        return functional.linear(x, marked(weight.t(), None if step is None else step.t()))
    node.bounded([x.numel(), *weight.shape[-1:]])
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
