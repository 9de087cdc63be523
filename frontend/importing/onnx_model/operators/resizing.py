"""Images of another size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from shiftbook.frontend.importing.onnx_model.tensors import numbers
from shiftbook.frontend.importing.onnx_model.values import Function, OnnxNode

SMOOTH = {"linear": "bilinear", "cubic": "bicubic"}
"""Modes, as torch calls them."""

ROUNDING: dict[str, Callable[[float], int]] = {
    "round_prefer_floor": lambda x: math.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: math.floor(x + 0.5),
    "floor": math.floor,
    "ceil": math.ceil,
}
"""From a place between pixels to a pixel."""


def resize(
    node: OnnxNode,
    x: Tensor,
    roi: Tensor | None = None,
    scales: Tensor | None = None,
    sizes: Tensor | None = None,
) -> Tensor:
    """Nearest, linear or cubic."""
    axes = [a % x.dim() for a in node.attribute("axes", range(x.dim()))]
    size = list(x.shape)
    factors = [1.0] * x.dim()
    if sizes is not None and sizes.numel():
        for axis, wanted in zip(axes, numbers(sizes) or [], strict=True):
            size[axis], factors[axis] = wanted, wanted / x.shape[axis]
    elif scales is not None and scales.numel():
        for axis, factor in zip(axes, scales.tolist(), strict=True):
            size[axis], factors[axis] = int(np.float32(x.shape[axis]) * np.float32(factor)), factor
    if size[:2] != list(x.shape[:2]) or x.dim() not in (3, 4):
        raise node.refused(f"it must be of the rows and columns of maps, not from {list(x.shape)} to {size}")
    if min(size) < 1:
        raise node.failed(f"a size of {size} is too small")
    if node.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise node.refused("keep_aspect_ratio_policy must be stretch")
    node.bounded(size)
    way = _nearest if node.attribute("mode", "nearest") == "nearest" else _smooth
    if x.dim() == 4:
        return way(node, x, size, factors)
    # a signal is a map of one row
    return way(node, x.unsqueeze(2), [*size[:2], 1, size[2]], [1.0, 1.0, 1.0, factors[2]]).squeeze(2)


def _nearest(node: OnnxNode, x: Tensor, size: Sequence[int], factors: Sequence[float]) -> Tensor:
    """The pixels that each row and each column is of."""
    way = node.attribute("nearest_mode", "round_prefer_floor")
    if way not in ROUNDING:
        raise node.failed(f"nearest_mode must be one of {', '.join(ROUNDING)}, not {way}")
    for axis in (2, 3):
        small, large = x.shape[axis], size[axis]
        places = (_place(node, i, small, large, factors[axis]) for i in range(large))
        picked = [min(max(ROUNDING[way](place), 0), small - 1) for place in places]
        if picked != list(range(small)):
            x = x.index_select(axis, torch.tensor(picked))
    return x


def _place(node: OnnxNode, i: int, small: int, large: int, factor: float) -> float:
    """Where a pixel of the result lies in the source."""
    coordinates = node.attribute("coordinate_transformation_mode", "half_pixel")
    if coordinates == "asymmetric":
        return i / factor
    if coordinates == "align_corners":
        return i * (small - 1) / (large - 1) if large > 1 else 0.0
    if coordinates == "half_pixel" or (coordinates == "pytorch_half_pixel" and large > 1):
        return (i + 0.5) / factor - 0.5
    if coordinates == "pytorch_half_pixel":
        return 0.0
    raise node.refused(f"coordinates {coordinates} are not read")


def _smooth(node: OnnxNode, x: Tensor, size: Sequence[int], factors: Sequence[float]) -> Tensor:
    """Where torch computes the same."""
    mode = node.attribute("mode")
    coordinates = node.attribute("coordinate_transformation_mode", "half_pixel")
    whole = all(abs(n * f - m) < 1e-3 for n, f, m in zip(x.shape, factors, size, strict=True))
    corners = coordinates == "align_corners"
    if mode not in SMOOTH or not (corners or coordinates in ("half_pixel", "pytorch_half_pixel")):
        raise node.refused(f"mode {mode} with {coordinates} is not read")
    shrinks = any(large == 1 != small for small, large in zip(x.shape, size, strict=True))
    if coordinates == "pytorch_half_pixel" and shrinks:
        raise node.refused("to one row or column it must be with half_pixel")
    if not (whole or corners):
        raise node.refused(f"scales must give whole sizes, not {factors}")
    if node.attribute("exclude_outside", 0) or node.attribute("cubic_coeff_a", -0.75) != -0.75:
        raise node.refused("exclude_outside must be 0 and cubic_coeff_a -0.75")
    smooth = bool(node.attribute("antialias", 0))
    return functional.interpolate(
        x, list(size[2:]), mode=SMOOTH[mode], align_corners=corners, antialias=smooth
    )


OPERATORS: dict[str, Function] = {"Resize": resize}
