"""Operators that move elements and compute nothing, and those that ask for shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor
from torch.nn import functional

from shiftbook.frontend.importing.onnx_model.values import Function, OnnxNode, numbers


def reshape(node: OnnxNode, x: Tensor, shape: Tensor) -> Tensor:
    """0 keeps a dimension; the batch may be written as 1, as converters do."""
    wanted = numbers(shape) or []
    if not node.attribute("allowzero", 0):
        wanted = [x.shape[i] if n == 0 else n for i, n in enumerate(wanted)]
    if wanted and wanted[0] == 1 and -1 not in wanted and np.prod(wanted) * len(x) == x.numel():
        wanted[0] = len(x)
    return x.reshape(wanted)


def flatten(node: OnnxNode, x: Tensor) -> Tensor:
    """To two dimensions."""
    axis = node.attribute("axis", 1) % (x.dim() + 1)
    rows = int(torch.Size(x.shape[:axis]).numel())
    return x.reshape(rows, -1)


def squeeze(node: OnnxNode, x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Axes are an attribute before opset 13."""
    chosen = numbers(axes if axes is not None else node.attribute("axes"))
    if chosen is None:
        chosen = [i for i, size in enumerate(x.shape) if size == 1 and i > 0]
    return x.squeeze(tuple(chosen))


def unsqueeze(node: OnnxNode, x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Axes are an attribute before opset 13."""
    chosen = numbers(axes if axes is not None else node.attribute("axes")) or []
    rank = x.dim() + len(chosen)
    for axis in sorted(a % rank for a in chosen):
        x = x.unsqueeze(axis)
    return x


def split(node: OnnxNode, x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    """Into parts of given sizes, or of one."""
    axis = node.attribute("axis", 0)
    given = numbers(sizes if sizes is not None else node.attribute("split"))
    if given is None:
        return torch.chunk(x, node.attribute("num_outputs", len(node.outputs)), axis)
    return torch.split(x, given, axis)


def cut(
    node: OnnxNode,
    x: Tensor,
    starts: Tensor | None = None,
    ends: Tensor | None = None,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:
    """``Slice``; everything is an attribute before opset 10."""
    first, last = (
        numbers(node.attribute(name) if given is None else given) or []
        for name, given in (("starts", starts), ("ends", ends))
    )
    along = numbers(node.attribute("axes") if axes is None else axes) or list(range(len(first)))
    strides = numbers(steps) or [1] * len(first)
    for axis, start, end, step in zip(along, first, last, strides, strict=True):
        if step < 0:
            picked = list(range(x.shape[axis]))[start : None if end < -x.shape[axis] else end : step]
            x = x.index_select(axis, torch.tensor(picked))
        else:
            x = x[(slice(None),) * (axis % x.dim()) + (slice(start, end, step),)]
    return x


def gather(node: OnnxNode, x: Tensor, indices: Tensor) -> Tensor:
    """Of constant indices."""
    axis = node.attribute("axis", 0) % x.dim()
    wanted = torch.where(indices < 0, indices + x.shape[axis], indices)
    if wanted.dim() == 0:
        return x.select(axis, int(wanted))
    if wanted.dim() > 1:
        raise node.refused(f"indices must be of one dimension, not {wanted.dim()}")
    return x.index_select(axis, wanted)


def pad(
    node: OnnxNode,
    x: Tensor,
    pads: Tensor | None = None,
    fill: Tensor | None = None,
    axes: Tensor | None = None,
) -> Tensor:
    """With a constant, mirrored or repeated pixels."""
    given = numbers(node.attribute("pads") if pads is None else pads) or []
    along = [a % x.dim() for a in (numbers(axes) or range(x.dim()))]
    half = len(given) // 2
    sides = {axis: (given[i], given[i + half]) for i, axis in enumerate(along)}
    flat = [n for axis in reversed(range(x.dim())) for n in sides.get(axis, (0, 0))]
    while len(flat) > 2 and flat[-2:] == [0, 0]:
        flat = flat[:-2]
    mode = node.attribute("mode", "constant")
    value = node.attribute("value", 0.0) if fill is None else float(fill)
    if not any(flat):
        return x
    if mode == "constant":
        return functional.pad(x, flat, value=value)
    return functional.pad(x, flat, mode={"edge": "replicate"}.get(mode, mode))


def resize(node: OnnxNode, x: Tensor, *given: Any) -> Tensor:
    """Nearest, linear or cubic, to twice the size and the like."""
    mode = node.attribute("mode", "nearest")
    if node.operator == "Upsample" or node.version < 11:
        scales = given[0] if given else torch.tensor(node.attribute("scales"))
        size = [int(n * s) for n, s in zip(x.shape, scales.tolist(), strict=True)]
        coordinates = "asymmetric"
    else:
        _, scales, sizes = (*given, None, None, None)[:3]
        coordinates = node.attribute("coordinate_transformation_mode", "half_pixel")
        if sizes is not None and sizes.numel():
            size = numbers(sizes) or []
        else:
            size = [int(n * s) for n, s in zip(x.shape, scales.tolist(), strict=True)]
    if len(size) != x.dim():
        raise node.refused("it must give the size of every dimension")
    return _resized(node, x, size[2:], mode, coordinates)


def _resized(node: OnnxNode, x: Tensor, size: list[int], mode: str, coordinates: str) -> Tensor:
    if mode == "nearest":
        whole = all(big % small == 0 for big, small in zip(size, x.shape[2:], strict=True))
        if not whole:
            raise node.refused(f"nearest must be to a multiple of {list(x.shape[2:])}, not to {size}")
        return functional.interpolate(x, size, mode="nearest")
    names = {"linear": "bilinear", "cubic": "bicubic"}
    corners = coordinates == "align_corners"
    if mode not in names or coordinates not in ("align_corners", "half_pixel", "pytorch_half_pixel"):
        raise node.refused(f"mode {mode} with {coordinates} is not read")
    return functional.interpolate(x, size, mode=names[mode], align_corners=corners)


def depth_to_space(node: OnnxNode, x: Tensor) -> Tensor:
    """Channels as (block row, block column, channel), or (channel, ...) in mode CRD."""
    block = node.attribute("blocksize")
    if node.attribute("mode", "DCR") == "CRD":
        return functional.pixel_shuffle(x, block)
    count, channels, height, width = x.shape
    parts = x.reshape(count, block, block, channels // block**2, height, width)
    return parts.permute(0, 3, 4, 1, 5, 2).reshape(count, -1, height * block, width * block)


def space_to_depth(node: OnnxNode, x: Tensor) -> Tensor:
    """Blocks of pixels to channels as (block row, block column, channel)."""
    block = node.attribute("blocksize")
    count, channels, height, width = x.shape
    parts = x.reshape(count, channels, height // block, block, width // block, block)
    return parts.permute(0, 3, 5, 1, 2, 4).reshape(count, -1, height // block, width // block)


def shape_of(node: OnnxNode, x: Any) -> Any:
    """As a constant."""
    start, end = node.attribute("start", 0), node.attribute("end")
    return np.array(tuple(x.shape)[start:end], dtype=np.int64)


def constant(node: OnnxNode) -> Any:
    """In any of its attributes."""
    for name, value in node.attributes.items():
        if name == "value":
            return onnx.numpy_helper.to_array(value)
        if name in ("value_float", "value_floats", "value_int", "value_ints"):
            return np.array(value, dtype=np.float32 if "float" in name else np.int64)
    raise node.refused("it must be of numbers")


def same(node: OnnxNode, x: Tensor, *others: Any) -> Tensor:
    """What does nothing in evaluation mode."""
    return x


OPERATORS: dict[str, Function] = {
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": lambda node, x: x.permute(node.attribute("perm", list(reversed(range(x.dim()))))),
    "Concat": lambda node, *parts: torch.cat(parts, node.attribute("axis")),
    "Split": split,
    "Slice": cut,
    "Gather": gather,
    "Pad": pad,
    "Resize": resize,
    "Upsample": resize,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Expand": lambda node, x, shape: x.expand(torch.broadcast_shapes(x.shape, tuple(shape.tolist()))),
    "Tile": lambda node, x, times: x.repeat(tuple(times.tolist())),
    "Shape": shape_of,
    "Size": lambda node, x: np.array(x.size if isinstance(x, np.ndarray) else x.numel(), dtype=np.int64),
    "Constant": constant,
    "Identity": same,
    "Dropout": same,
    "Cast": same,
    "CastLike": same,
}
