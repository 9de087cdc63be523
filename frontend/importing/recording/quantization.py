"""Rounding to 8 bits and fewer as an operator of its own, which the recorder sees whole."""

from __future__ import annotations

import torch
from torch import Tensor

_LIBRARY = torch.library.Library("shiftbook", "DEF")
_LIBRARY.define("fake_quantize(Tensor x, float scale, int zero_point, int low, int high) -> Tensor")


def rounded(x: Tensor, scale: float, zero_point: int, low: int, high: int) -> Tensor:
    """``scale * (q - zero_point)`` with ``q = clamp(round(x / scale) + zero_point, low, high)``."""
    return ((x / scale).round().add(zero_point).clamp(low, high) - zero_point) * scale


_LIBRARY.impl("fake_quantize", rounded, "CompositeExplicitAutograd")


def fake_quantize(x: Tensor, scale: float, zero_point: int, low: int, high: int) -> Tensor:
    """See `rounded`."""
    result: Tensor = torch.ops.shiftbook.fake_quantize(x, scale, zero_point, low, high)
    return result
