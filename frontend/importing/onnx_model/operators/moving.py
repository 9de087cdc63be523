"""Operators that move elements and compute nothing, and those that ask for shapes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor
from torch.nn import functional

from shiftbook.frontend.importing.onnx_model.tensors import REAL, array_of, numbers
from shiftbook.frontend.importing.onnx_model.values import Function, OnnxNode


def reshape(node: OnnxNode, x: Tensor, shape: Tensor) -> Tensor:
    """0 keeps a dimension; the batch may be written as 1, as converters do."""
    wanted = numbers(shape) or []
    if not node.attribute("allowzero", 0):
        wanted = [x.shape[i] if n == 0 else n for i, n in enumerate(wanted)]
    rest = len(x) * math.prod(n for n in wanted[1:] if n != -1)
    if wanted and wanted[0] == 1 and rest and (x.numel() == rest or (-1 in wanted and x.numel() % rest == 0)):
        wanted[0] = len(x)
    return x.reshape(wanted)


def flatten(node: OnnxNode, x: Tensor) -> Tensor:
    """To two dimensions."""
    axis = node.attribute("axis", 1)
    rows = math.prod(x.shape[:axis])
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
    """Into parts of given sizes, or of one, of which the last may be smaller."""
    axis = node.attribute("axis", 0)
    given = numbers(sizes if sizes is not None else node.attribute("split"))
    if given is None:
        each = -(-x.shape[axis] // node.attribute("num_outputs", len(node.outputs)))
        return torch.split(x, each, axis)
    return torch.split(x, given, axis)


def cut(
    node: OnnxNode,
    x: Tensor,
    starts: Tensor,
    ends: Tensor,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:
    """``Slice``."""
    first, last = numbers(starts) or [], numbers(ends) or []
    along = numbers(axes) or list(range(len(first)))
    strides = numbers(steps) or [1] * len(first)
    for axis, start, end, step in zip(along, first, last, strides, strict=True):
        if step < 0:
            stop = None if end < -x.shape[axis] else end
            picked = list(range(x.shape[axis]))[start:stop:step]
            x = x.index_select(axis, torch.tensor(picked, dtype=torch.int64))
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


MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
"""Of padding, as torch calls them."""


def pad(
    node: OnnxNode,
    x: Tensor,
    pads: Tensor,
    fill: Tensor | None = None,
    axes: Tensor | None = None,
) -> Tensor:
    """With a constant, mirrored or repeated pixels."""
    given = numbers(pads) or []
    along = [a % x.dim() for a in (range(x.dim()) if axes is None else numbers(axes) or [])]
    half = len(given) // 2
    sides = {axis: (given[i], given[i + half]) for i, axis in enumerate(along)}
    node.bounded([size + sum(sides.get(axis, ())) for axis, size in enumerate(x.shape)])
    flat = [n for axis in reversed(range(x.dim())) for n in sides.get(axis, (0, 0))]
    while flat[-2:] == [0, 0]:
        flat = flat[:-2]
    mode = node.attribute("mode", "constant")
    if mode not in MODES:
        raise node.failed(f"mode must be one of {', '.join(MODES)}, not {mode}")
    if not flat:
        return x
    if mode == "constant":
        return functional.pad(x, flat, value=0.0 if fill is None else float(fill))
    return functional.pad(x, flat + [0] * (2 * x.dim() - 4 - len(flat)), mode=MODES[mode])


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


def expand(node: OnnxNode, x: Tensor, shape: Tensor) -> Tensor:
    """To a shape that both fit."""
    wanted = np.broadcast_shapes(tuple(x.shape), tuple(shape.tolist()))
    node.bounded(wanted)
    return x.expand(wanted)


def tile(node: OnnxNode, x: Tensor, times: Tensor) -> Tensor:
    """So many times along each dimension."""
    wanted = times.tolist()
    node.bounded([size * n for size, n in zip(x.shape, wanted, strict=True)])
    return x.repeat(tuple(wanted))


def shape_of(node: OnnxNode, x: Any) -> Any:
    """As a constant."""
    start, end = node.attribute("start", 0), node.attribute("end")
    return np.array(tuple(x.shape)[start:end], dtype=np.int64)


def constant(node: OnnxNode) -> Any:
    """In any of its attributes."""
    for name, value in node.attributes.items():
        if name == "value":
            return array_of(value)
        if name in ("value_float", "value_floats", "value_int", "value_ints"):
            return np.array(value, dtype=np.float32 if "float" in name else np.int64)
    raise node.refused("it must be of numbers")


def same(node: OnnxNode, x: Tensor) -> Tensor:
    """Nothing."""
    return x


def dropout(node: OnnxNode, x: Tensor, ratio: Tensor | None = None, training: Tensor | None = None) -> Tensor:
    """Nothing, in evaluation mode."""
    if training is not None and bool(training):
        raise node.refused("it must be in evaluation mode")
    return x


def cast(node: OnnxNode, x: Tensor, like: Tensor | None = None) -> Tensor:
    """Real numbers to real numbers; the integers of an image are real here already."""
    kind = node.attribute("to") if like is None else None
    real = kind in REAL if like is None else like.is_floating_point()
    if not real and not node.raw:
        shown = "integers" if kind is None else onnx.TensorProto.DataType.Name(kind)
        raise node.refused(f"it must be to real numbers, not to {shown}")
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
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Expand": expand,
    "Tile": tile,
    "Shape": shape_of,
    "Size": lambda node, x: np.array(x.size if isinstance(x, np.ndarray) else x.numel(), dtype=np.int64),
    "Constant": constant,
    "Identity": same,
    "Dropout": dropout,
    "Cast": cast,
    "CastLike": cast,
}
