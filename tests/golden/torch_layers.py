"""Every type of layer by torch's own operations on int64 and float64, which are exact on these integers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch.nn import functional

from shiftbook.golden.model.network import Network, zero_points
from shiftbook.golden.model.nodes import Concat, Conv, Gate, Interleave, Node, Pool, Resample
from shiftbook.golden.model.weights import Requantize
from shiftbook.golden.spec import FRACTION

Activations = np.ndarray  # uint8 [N, H, W, C]


def run(network: Network, images: Activations) -> dict[str, Activations]:
    """All tensors by name."""
    zero = zero_points(network)
    tensors = {network.input.name: _pixels(requantize(_maps(images), network.input.requantize))}
    for node in network.nodes:
        tensors[node.name] = run_node(node, tensors, zero)
    return tensors


def run_node(node: Node, tensors: Mapping[str, Activations], zero: Mapping[str, int]) -> Activations:
    """One layer, with the zero points of all tensors."""
    if isinstance(node, Concat):
        return _pixels(torch.cat([_maps(tensors[source]) for source in node.sources], dim=1))
    if isinstance(node, Interleave):
        return _interleaved([_maps(tensors[source]) for source in node.sources])
    if isinstance(node, Conv):
        return _pixels(_activated(conv_steps(node, tensors, zero), node.requantize))
    x = _maps(tensors[node.source])
    if isinstance(node, Resample):
        return _resampled(node, x, zero[node.source])
    if isinstance(node, Gate):
        own = node.requantize
        product = (x - zero[node.source]) * _maps(tensors[node.gate]) << 1
        steps = product + (1 << int(own.shift[0])) >> int(own.shift[0]) + 1
        return _pixels(_activated(steps, own))
    if isinstance(node, Pool) and node.kind == "max":
        # Below every activation, so that no maximum comes from the padding.
        x = _padded(x, node.padding, -1).double()
        return _pixels(functional.max_pool2d(x, node.kernel, node.stride))
    if isinstance(node, Pool):
        x = _padded(x, node.padding, zero[node.source]).double()
        sums = functional.avg_pool2d(x, node.kernel, node.stride, divisor_override=1).long()
        return _pixels(requantize(sums, node.requantize))
    x = x[:, :, :: node.stride, :: node.stride]
    return _pixels(functional.pad(x, (0, 0, 0, 0, node.before, node.after), value=zero[node.source]))


def _resampled(node: Resample, x: torch.Tensor, zero: int) -> Activations:
    """By a product with the whole matrix, of pixels less their zero point; halves round up."""
    place = 2 if node.axis == "rows" else 3
    matrix = torch.zeros(len(node.first), x.shape[place], dtype=torch.long)
    for line, first in enumerate(node.first.tolist()):
        matrix[line, first : first + node.weights.shape[1]] = torch.from_numpy(node.weights[line].astype(int))
    sums = torch.tensordot(x.long() - zero, matrix, dims=([place], [1])).movedim(3, place)
    return _pixels(((2 * sums + (1 << node.shift) >> node.shift + 1) + zero).clamp(0, 255))


def _interleaved(parts: list[torch.Tensor]) -> Activations:
    """By pixel shuffle of parts that are filled up to the size of the first."""
    rows, cols = parts[0].shape[2:]
    full = [functional.pad(x, (0, cols - x.shape[3], 0, rows - x.shape[2])) for x in parts]
    maps = functional.pixel_shuffle(torch.stack(full, dim=2).flatten(1, 2), 2)
    return _pixels(maps[:, :, : rows + parts[3].shape[2], : cols + parts[3].shape[3]])


def conv_steps(node: Conv, tensors: Mapping[str, Activations], zero: Mapping[str, int]) -> torch.Tensor:
    """A convolution's output int64 [N, O, H, W] in steps from its zero point, before any clamp."""
    x = _padded(_maps(tensors[node.source]), node.padding, zero[node.source])
    weights = _maps(node.weights.integers).repeat(node.copies, 1, 1, 1)
    groups = node.groups * node.copies
    sums = functional.conv2d(x, weights, stride=node.stride, dilation=node.dilation, groups=groups)
    added = None if node.residual is None else _maps(tensors[node.residual]) - zero[node.residual]
    return _steps(sums, node.requantize, added)


def requantize(sums: torch.Tensor, p: Requantize) -> torch.Tensor:
    """From sums [N, C, H, W] to activations."""
    return _activated(_steps(sums, p, None), p)


def _activated(steps: torch.Tensor, p: Requantize) -> torch.Tensor:
    clamped = (p.zero_point + steps).clamp(p.low, p.high)
    if p.function is None:
        return clamped
    table = torch.tensor(list(p.function.values))[:, None]
    return functional.embedding(clamped, table)[..., 0]


def _steps(sums: torch.Tensor, p: Requantize, added: torch.Tensor | None) -> torch.Tensor:
    """In int64, of which the tests need 60 bits; a shift to the right rounds down."""
    bias, multiplier, shift = (
        torch.from_numpy(np.asarray(a, np.int64)).reshape(-1, 1, 1) for a in (p.bias, p.multiplier, p.shift)
    )
    product = (sums + bias) * multiplier << FRACTION
    if added is not None:
        product = product + (added * p.residual_multiplier << shift)
    half = torch.ones_like(shift) << shift + (FRACTION - 1)
    return product + half >> shift + FRACTION


def _padded(x: torch.Tensor, padding: tuple[int, int, int, int], value: int) -> torch.Tensor:
    top, bottom, left, right = padding
    return functional.pad(x, (left, right, top, bottom), value=value)


def _maps(pixels: np.ndarray) -> torch.Tensor:
    """int64 [N, C, H, W] of [N, H, W, C]."""
    return torch.from_numpy(pixels.astype(np.int64)).permute(0, 3, 1, 2)


def _pixels(maps: torch.Tensor) -> Activations:
    found = maps.permute(0, 2, 3, 1).numpy()
    assert found.min() >= 0
    assert found.max() <= 255
    return found.astype(np.uint8)
