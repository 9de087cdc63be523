"""Numbers that the file has quantized: weights on their grid, and tensors of 8 bits and fewer.

A tensor stays real here: rounding it and clamping it is one operation, so that ``DequantizeLinear`` of what
``QuantizeLinear`` made does nothing. Only an image of integers has a value that is not real yet.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from shiftbook.frontend.importing.onnx_model.values import Function, OnnxNode
from shiftbook.frontend.importing.recording.quantization import fake_quantize

BITS = 8
"""Of a tensor on the accelerator, at most."""


def quantize_linear(node: OnnxNode, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    """Of a tensor that depends on the image."""
    if scale.numel() != 1:
        raise node.refused(f"tensors must have one scale, not {scale.numel()}")
    signed = zero is not None and zero.dtype == torch.int8
    if zero is not None and zero.dtype not in (torch.int8, torch.uint8):
        raise node.refused(f"tensors must be of 8 bits, not {zero.dtype}")
    low, high = (-128, 127) if signed else (0, 255)
    return fake_quantize(x, float(scale), 0 if zero is None else int(zero), low, high)


def dequantize_linear(node: OnnxNode, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Any:
    """Of weights: real numbers on a grid. Of a tensor: as it is, or the image's integers."""
    shape = [1] * x.dim()
    if scale.numel() > 1:
        shape[node.attribute("axis", 1)] = -1
    offset = 0 if zero is None else zero.to(torch.float32).reshape(shape)
    if not x.is_floating_point():
        node.grid = scale.to(torch.float32).flatten().numpy()
        return ((x.to(torch.float32) - offset) * scale.reshape(shape)).numpy()
    return (x - offset) * scale.reshape(shape) if node.raw else x


def quant(node: OnnxNode, x: Any, scale: Tensor, zero: Tensor, bits: Tensor) -> Any:
    """QONNX's: any number of bits, signed or not, narrow or not."""
    width, signed = float(bits), bool(node.attribute("signed", 1))
    narrow = bool(node.attribute("narrow", 0))
    if width > BITS or width != int(width):
        raise node.refused(f"at most {BITS} whole bits run, not {width:g}")
    high = 2 ** (int(width) - signed) - 1 - (narrow and not signed)
    low = -(2 ** (int(width) - 1)) + narrow if signed else 0
    if node.inputs[0] in node.weights:
        return _on_grid(node, x, scale, zero, low, high)
    if scale.numel() != 1 or zero.numel() != 1:
        raise node.refused(f"tensors must have one scale, not {scale.numel()}")
    return fake_quantize(x, float(scale), int(zero), low, high)


def bipolar(node: OnnxNode, x: Any, scale: Tensor) -> Any:
    """QONNX's: weights of plus and minus a scale."""
    if node.inputs[0] not in node.weights:
        raise node.refused("only weights can be bipolar")
    node.grid = scale.flatten().numpy()
    return (torch.where(x >= 0, 1.0, -1.0) * scale).numpy()


def _on_grid(node: OnnxNode, x: Tensor, scale: Tensor, zero: Tensor, low: float, high: float) -> Any:
    integers = ((x / scale).round() + zero).clamp(low, high)
    if not bool(zero.any()):
        node.grid = scale.to(torch.float32).flatten().numpy()
    return ((integers - zero) * scale).numpy().astype(np.float32)


def truncated(
    node: OnnxNode, x: Tensor, scale: Tensor, zero: Tensor, bits: Tensor, out: Tensor, *more: Any
) -> Tensor:
    """QONNX's: the lower bits of a sum are cut off, which rounds down."""
    step = float(scale) * 2 ** (float(bits) - float(out))
    down = node.attribute("rounding_mode", "FLOOR").upper() == "FLOOR"
    signed = bool(node.attribute("signed", 1))
    width = int(out)
    low, high = (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if signed else (0, 2**width - 1)
    return fake_quantize(x - step / 2 if down else x, step, int(zero), low, high)


OPERATORS: dict[str, Function] = {
    "QuantizeLinear": quantize_linear,
    "DequantizeLinear": dequantize_linear,
    "Quant": quant,
    "BipolarQuant": bipolar,
    "Trunc": truncated,
}
