"""The integer layers once more, pixel by pixel in Python's integers, with nothing of golden's executor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Concat, Conv, Gate, Interleave, Pool, Resample, Subsample
from shiftbook.golden.model.weights import Requantize


def run(network: Network, image: np.ndarray) -> dict[str, np.ndarray]:
    """Every tensor [h, w, c] of one image [H, W, C], by name."""
    zero = {network.input.name: _zero_point(network.input.requantize)}
    tensors = {network.input.name: _requantized(image.astype(object), network.input.requantize)}
    for node in network.nodes:
        if isinstance(node, Concat):
            tensors[node.name] = np.concatenate([tensors[name] for name in node.sources], axis=2)
            zero[node.name] = zero[node.sources[0]]
            continue
        if isinstance(node, Interleave):
            tensors[node.name] = _interleaved([tensors[name] for name in node.sources])
            zero[node.name] = zero[node.sources[0]]
            continue
        source, pad = tensors[node.source], zero[node.source]
        zero[node.name] = pad
        if isinstance(node, Subsample):
            kept = source[:: node.stride, :: node.stride]
            tensors[node.name] = np.pad(
                kept, ((0, 0), (0, 0), (node.before, node.after)), constant_values=pad
            )
        elif isinstance(node, Resample):
            tensors[node.name] = _resampled(node, source, pad)
        elif isinstance(node, Gate):
            own = node.requantize
            each = replace(
                own, multiplier=tensors[node.gate][0, 0], bias=np.repeat(own.bias, source.shape[2])
            )
            each = replace(each, shift=np.repeat(own.shift, source.shape[2]))
            tensors[node.name] = _requantized(source, each)
            zero[node.name] = _zero_point(own)
        elif isinstance(node, Pool):
            tensors[node.name] = _pooled(source, node, pad)
            if node.requantize is not None:
                zero[node.name] = _zero_point(node.requantize)
        else:
            residual = None if node.residual is None else tensors[node.residual] - zero[node.residual]
            tensors[node.name] = _requantized(_sums(source, node, pad), node.requantize, residual)
            zero[node.name] = _zero_point(node.requantize)
    return tensors


def _resampled(node: Resample, source: np.ndarray, zero: int) -> np.ndarray:
    """Line by line, of Python's integers."""
    lines = (
        source.astype(object) - zero if node.axis == "rows" else source.astype(object).swapaxes(0, 1) - zero
    )
    found = []
    for first, weights in zip(node.first.tolist(), node.weights.tolist(), strict=True):
        total = sum(weight * lines[first + tap] for tap, weight in enumerate(weights))
        found.append(np.clip(zero + (2 * total + (1 << node.shift) >> node.shift + 1), 0, 255))
    result = np.stack(found).astype(np.uint8)
    return result if node.axis == "rows" else result.swapaxes(0, 1)


def _interleaved(sources: list[np.ndarray]) -> np.ndarray:
    height, width = (sources[0].shape[axis] + sources[3].shape[axis] for axis in (0, 1))
    rows = [[sources[2 * (y % 2) + x % 2][y // 2, x // 2] for x in range(width)] for y in range(height)]
    return np.array(rows, object)


def _requantized(sums: np.ndarray, own: Requantize, residual: np.ndarray | None = None) -> np.ndarray:
    result = np.zeros(sums.shape, object)
    for place in np.ndindex(sums.shape):
        c = place[2] if len(own.bias) > 1 else 0
        shift = int(own.shift[c])
        value = ((int(sums[place]) + int(own.bias[c])) * int(own.multiplier[c]) << 8) + (128 << shift)
        if residual is not None:
            value += int(residual[place]) * own.residual_multiplier << shift
        clamped = min(max(own.zero_point + (value >> shift + 8), own.low), own.high)
        result[place] = clamped if own.function is None else own.function.values[clamped]
    return result


def _zero_point(own: Requantize) -> int:
    """Of what a requantizer makes."""
    return own.zero_point if own.function is None else own.function.zero_point


def _windows(source: np.ndarray, kernel, stride, padding, pad: int):
    """Every output pixel with its window [kh, kw, C]."""
    top, bottom, left, right = padding
    source = source[max(0, -top) : len(source) - max(0, -bottom)]
    source = source[:, max(0, -left) : source.shape[1] - max(0, -right)]
    around = [(max(0, top), max(0, bottom)), (max(0, left), max(0, right)), (0, 0)]
    padded = np.pad(source, around, constant_values=pad)
    rows = (padded.shape[0] - kernel[0]) // stride[0] + 1
    cols = (padded.shape[1] - kernel[1]) // stride[1] + 1
    for y, x in np.ndindex(rows, cols):
        first, left_most = y * stride[0], x * stride[1]
        yield y, x, rows, cols, padded[first : first + kernel[0], left_most : left_most + kernel[1]]


def _sums(source: np.ndarray, node: Conv, pad: int) -> np.ndarray:
    weights = node.weights.integers.astype(object)
    outputs, *kernel, inputs = weights.shape
    runs = node.groups * node.copies  # copies meet consecutive runs of channels, as groups do
    each = outputs // node.groups
    result = None
    down, right = node.dilation
    span = down * (kernel[0] - 1) + 1, right * (kernel[1] - 1) + 1
    for y, x, rows, cols, spanned in _windows(source, span, node.stride, node.padding, pad):
        window = spanned[::down, ::right]
        if result is None:
            result = np.zeros((rows, cols, node.outputs), object)
        for run in range(runs):
            part = window[:, :, run * inputs : (run + 1) * inputs]
            own = weights if node.copies > 1 else weights[run * each : (run + 1) * each]
            result[y, x, run * each : (run + 1) * each] = (own * part).sum(axis=(1, 2, 3))
    return result


def _pooled(source: np.ndarray, node: Pool, pad: int) -> np.ndarray:
    average = node.kind == "average"
    result = None
    for y, x, rows, cols, window in _windows(
        source, node.kernel, node.stride, node.padding, pad if average else 0
    ):
        if result is None:
            result = np.zeros((rows, cols, source.shape[2]), object)
        result[y, x] = window.sum(axis=(0, 1)) if average else window.max(axis=(0, 1))
    return _requantized(result, node.requantize) if average else result
