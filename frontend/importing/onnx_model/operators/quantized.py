"""Numbers that the file has quantized: weights on their grid, and tensors of 8 bits and fewer.

A tensor stays real here: rounding it and clamping it is one operation, so that ``DequantizeLinear`` of what
``QuantizeLinear`` made does nothing. Only an image of integers has a value that is not real yet.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor

from shiftbook.frontend.importing.onnx_model.tensors import range_of
from shiftbook.frontend.importing.onnx_model.values import Function, OnnxNode
from shiftbook.frontend.importing.recording.quantization import fake_quantize

BITS, LEVELS = 8, 255
"""Of a tensor on the accelerator, at most, and the steps between its ends."""

ROUNDINGS = {"ROUND": torch.round, "FLOOR": torch.floor, "CEIL": torch.ceil}
"""QONNX's modes."""

SHIFTS = {"ROUND": 0.0, "FLOOR": -0.5, "CEIL": 0.5}
"""Steps by which a tensor moves before it is rounded to the nearest, to be rounded so."""


def quantize_linear(node: OnnxNode, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    """Of a tensor that depends on the image."""
    kind = node.kinds[2] if zero is not None else _named(node.attribute("output_dtype", 0))
    ends = None if kind is None else range_of(kind)
    if ends is None or ends[1] - ends[0] > LEVELS:
        raise node.refused(f"tensors must be of integers of at most {BITS} bits, not of {kind}")
    result = _rounded(node, x, scale, torch.zeros(1) if zero is None else zero, ends)
    node.code = (float(scale), 0 if zero is None else int(zero))
    return result


def _named(kind: int) -> np.dtype[Any]:
    """A type by its number in the file; 0 is the default."""
    return np.dtype(np.uint8) if not kind else onnx.helper.tensor_dtype_to_np_dtype(kind)


def _rounded(node: OnnxNode, x: Tensor, scale: Tensor, zero: Tensor, ends: tuple[int, int]) -> Tensor:
    """Rounding of a whole tensor."""
    if scale.numel() != 1 or zero.numel() != 1:
        raise node.refused(f"tensors must have one scale, not {max(scale.numel(), zero.numel())}")
    step, centre = float(scale), float(zero)
    if not (0 < step < float("inf")) or not ends[0] <= centre <= ends[1] or centre % 1:
        raise node.failed(
            f"scale {step:g} must be above 0, and zero point {centre:g} of {ends[0]}..{ends[1]}"
        )
    return fake_quantize(x, step, int(centre), *ends)


def dequantize_linear(node: OnnxNode, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Any:
    """Of weights: real numbers on a grid. Of a tensor: as it is, or the image's integers."""
    constant = node.kinds[0] is not None
    if not constant and not node.raw:
        return _decoded(node, x, scale, zero)
    if node.attribute("block_size", 0):
        raise node.refused("blocks of weights with a scale of their own are not read")
    shape = [1] * x.dim()
    if scale.numel() > 1:
        shape[node.attribute("axis", 1)] = -1
    step = scale.to(torch.float32).reshape(shape)
    offset = (
        0 if zero is None else zero.to(torch.float32).reshape(shape if zero.numel() > 1 else [1] * x.dim())
    )
    real = (x.to(torch.float32) - offset) * step
    if not constant:
        return real
    node.grid = step.numpy()
    return real.numpy()


def _decoded(node: OnnxNode, x: Tensor, scale: Tensor, zero: Tensor | None) -> Tensor:
    """What ``QuantizeLinear`` rounded: as it is, unless its integers are given another meaning."""
    if node.code is None or scale.numel() != 1:
        raise node.refused("it must take what QuantizeLinear makes, with one scale")
    (step, centre), now = node.code, (float(scale), 0 if zero is None else int(zero))
    node.code = None
    return x if now == (step, centre) else (x / step + (centre - now[1])) * now[0]


def quant(node: OnnxNode, x: Any, scale: Tensor, zero: Tensor, bits: Tensor) -> Any:
    """QONNX's: any number of bits, signed or not, narrow or not."""
    ends = _range(node, bits)
    rounding = _rounding(node, "ROUND")
    if node.kinds[0] is None:
        return _rounded(
            node, x + SHIFTS[rounding] * float(scale) if SHIFTS[rounding] else x, scale, zero, ends
        )
    integers = ROUNDINGS[rounding]((x / scale + zero).clamp(*ends))
    if not bool(zero.any()):
        node.grid = scale.to(torch.float32).numpy()
    return ((integers - zero) * scale).to(torch.float32).numpy()


def _range(node: OnnxNode, bits: Tensor) -> tuple[int, int]:
    """Lowest and highest integer of QONNX's bits."""
    width, signed = float(bits), bool(node.attribute("signed", 1))
    narrow = bool(node.attribute("narrow", 0))
    if not 1 <= width <= BITS or width % 1:
        raise node.refused(f"1 to {BITS} whole bits run, not {width:g}")
    if signed:
        return -(2 ** (int(width) - 1)) + narrow, 2 ** (int(width) - 1) - 1
    return 0, 2 ** int(width) - 1 - narrow


def _rounding(node: OnnxNode, default: str) -> str:
    """QONNX's mode."""
    mode: str = node.attribute("rounding_mode", default).upper()
    if mode not in ROUNDINGS:
        raise node.refused(f"rounding_mode must be one of {', '.join(ROUNDINGS)}, not {mode}")
    return mode


def bipolar(node: OnnxNode, x: Any, scale: Tensor) -> Any:
    """QONNX's: weights of plus and minus a scale."""
    if node.kinds[0] is None:
        raise node.refused("only weights can be bipolar")
    node.grid = scale.to(torch.float32).numpy()
    return (torch.where(x >= 0, 1.0, -1.0) * scale).to(torch.float32).numpy()


def truncated(node: OnnxNode, x: Tensor, scale: Tensor, zero: Tensor, bits: Tensor, *out: Tensor) -> Tensor:
    """QONNX's: the lower bits of a sum are cut off, which rounds down.

    The first version divides by what the lower bits count, and does not say whether integers are signed; the
    second names the scale of what is left.
    """
    if bool(zero.any()):
        raise node.refused("its zero point must be 0")
    if len(out) == 2:
        step, ends = out[0], _range(node, out[1])
    else:
        step, width = scale, int(out[0])
        x = x / 2 ** (float(bits) - width)
        if width >= BITS:
            raise node.refused(f"version 1 runs for less than {BITS} bits, not {width}: its sign is unknown")
        ends = (-(2 ** (width - 1)), 2**width - 1)
    shift = SHIFTS[_rounding(node, "FLOOR")] * float(step)
    return _rounded(node, x + shift if shift else x, step, zero, ends)


OPERATORS: dict[str, Function] = {
    "QuantizeLinear": quantize_linear,
    "DequantizeLinear": dequantize_linear,
    "Quant": quant,
    "IntQuant": quant,
    "BipolarQuant": bipolar,
    "Trunc": truncated,
}
