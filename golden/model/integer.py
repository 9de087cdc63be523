"""The arithmetic of the integer layers, bit for bit as the hardware computes it.

Convolutions run through floating-point matrix products, which are exact here: every product and every
partial sum, in whatever order BLAS adds, is an integer that the format holds (24 bits of significand in
float32, 53 in float64). ``accumulate`` picks the format from the weights, so nothing is assumed.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from shiftbook.golden.model.weights import Requantize
from shiftbook.golden.spec import ACTIVATION_WIDTH, FRACTION, RESIDUAL_WIDTH

Activations = NDArray[np.uint8]

LARGEST_ACTIVATION = (1 << ACTIVATION_WIDTH) - 1
MAX_ACCUMULATOR_WIDTH = 32
MAX_MULTIPLIER = (1 << 16) - 1
MAX_RESIDUAL_MULTIPLIER = (1 << RESIDUAL_WIDTH) - 1
MAX_SHIFT = 40
"""Within these four bounds float64 requantizes exactly: see `requantize`."""

_MATRIX = 1 << 23
"""Numbers of a matrix that a product takes, unless a single row has more."""

_BLOCK = 1 << 15
"""Numbers worked on at a time, so that intermediate results stay in the cache."""


def requantize(
    accumulator: NDArray[np.generic],
    parameters: Requantize,
    residual: Activations | None = None,
    residual_zero_point: int = 0,
) -> Activations:
    """``clamp(zero_point + floor((acc + bias) * multiplier / 2^shift + r + 1/2), low, high)``.

    Where there is a function table, what that says of it.

    Computed in float64 as ``floor(acc * (m / 2^s) + (bias * m / 2^s + zero_point + 1/2) + r)``. Each term is
    an integer below 2^52 over 2^max(s, 8), so that no step rounds: ``(acc + bias) * m`` stays below 2^49 over
    2^s, ``r`` below 2^18 over 2^8 and ``zero_point`` below 2^8.

    Parameters
    ----------
    accumulator : [..., O]
        Integers of at most 32 bits, in any dtype.
    parameters
        One entry an output channel, or a single one for all. ``multiplier <= 65535``,
        ``residual_multiplier < 2^10``, ``shift <= 40``.
    residual : uint8 [..., O], optional
        The tensor that is added, with its zero point.

    Returns
    -------
    uint8 [..., O]
    """
    channels = accumulator.shape[-1]
    scale = np.ldexp(parameters.multiplier.astype(np.float64), -parameters.shift)
    offset = parameters.bias * scale + (parameters.zero_point + 0.5)
    residual_scale = 0.0
    if residual is not None:
        assert parameters.residual_multiplier is not None
        residual_scale = parameters.residual_multiplier / (1 << FRACTION)
        offset = offset - residual_zero_point * residual_scale
    # Whole pixels in a row, with the parameters repeated, because NumPy broadcasts short rows slowly.
    pixels = accumulator.size // channels if channels else 0
    repeat = next(r for r in range(min(max(1, _BLOCK // channels), max(1, pixels)), 0, -1) if pixels % r == 0)
    scales, offsets = (np.tile(np.broadcast_to(a, channels), repeat) for a in (scale, offset))
    flat = accumulator.reshape(-1, repeat * channels)
    flat_residual = None if residual is None else residual.reshape(flat.shape)
    result = np.empty(flat.shape, np.uint8)
    for row in range(len(flat)):
        value = flat[row] * scales
        value += offsets
        if flat_residual is not None:
            value += flat_residual[row] * residual_scale
        # The conversion truncates, which is the floor because the clamps leave nothing negative.
        result[row] = np.clip(value, parameters.low, parameters.high, out=value)
    if parameters.function is not None:
        result = parameters.function(result)
    return result.reshape(accumulator.shape)


def span_of(kernel: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns from the first tap of a kernel to its last one."""
    return dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1


def output_size(
    height: int,
    width: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
) -> tuple[int, int]:
    """Rows and columns of the output of a window moved over an input; 0 or less where none fits."""
    top, bottom, left, right = padding
    return (
        (height + top + bottom - kernel[0]) // stride[0] + 1,
        (width + left + right - kernel[1]) // stride[1] + 1,
    )


def accumulate(
    images: Activations,
    integers: NDArray[np.int16],
    *,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    pad_value: int = 0,
) -> NDArray[np.floating]:
    """Accumulators of a convolution, exact integers in a floating-point array.

    Parameters
    ----------
    images : uint8 [N, H, W, groups * I]
    integers : [O, kh, kw, I]
    pad_value
        What lies outside the image: the zero point of the source.

    Returns
    -------
    float32 or float64 [N, h, w, O]
    """
    outputs, kernel_rows, kernel_cols, inputs = integers.shape
    magnitude = np.abs(integers).reshape(outputs, -1).sum(1, dtype=np.int64).max(initial=0)
    real = np.float32 if magnitude * LARGEST_ACTIVATION <= 1 << 24 else np.float64
    span = span_of((kernel_rows, kernel_cols), dilation)
    rows, cols = output_size(images.shape[1], images.shape[2], span, stride, padding)
    result = np.empty((len(images), rows, cols, outputs), real)
    # The columns of a few images at a time: more would leave the cache.
    step = max(1, (_BLOCK * 16) // max(1, rows * cols * kernel_rows * kernel_cols * inputs * groups))
    for first in range(0, len(images), step):
        padded = pad(images[first : first + step], padding, pad_value, real)
        windows = sliding_window_view(padded, span, axis=(1, 2))[:, :: stride[0], :: stride[1]]
        windows = windows[..., :: dilation[0], :: dilation[1]]
        target = result[first : first + step]
        if inputs == 1 and groups > 1:
            _depthwise(windows, integers.astype(real), groups, target)
        else:
            _grouped(windows, integers, groups, target)
    return result


def pad(images: Activations, padding: tuple[int, int, int, int], value: int, dtype: type) -> NDArray:
    """Images [N, H, W, C] as ``dtype``, with ``value`` around them; negative padding takes pixels away."""
    first_row, last_row, first_col, last_col = (max(0, -side) for side in padding)
    images = images[:, first_row : images.shape[1] - last_row, first_col : images.shape[2] - last_col]
    top, bottom, left, right = (max(0, side) for side in padding)
    count, height, width, channels = images.shape
    padded = np.full((count, height + top + bottom, width + left + right, channels), value, dtype)
    padded[:, top : top + height, left : left + width] = images
    return padded


def _grouped(windows: NDArray, weights: NDArray[np.int16], groups: int, out: NDArray) -> None:
    """Matrix products over windows [n, h, w, groups * I, kh, kw], of some rows and outputs at a time."""
    outputs, kernel_rows, kernel_cols, inputs = weights.shape
    taps = windows.transpose(0, 1, 2, 4, 5, 3)
    count, rows, cols = windows.shape[:3]
    each, depth = outputs // groups, kernel_rows * kernel_cols * inputs
    high = max(1, _MATRIX // (count * cols * depth))
    wide = max(1, _MATRIX // depth)
    for group in range(groups):
        own = taps[..., group * inputs : (group + 1) * inputs]
        for first, row in product(range(group * each, (group + 1) * each, wide), range(0, rows, high)):
            last = min(first + wide, (group + 1) * each)
            columns = own[:, row : row + high].reshape(-1, depth)
            matrix = weights[first:last].reshape(-1, depth).T.astype(out.dtype)
            target = out[:, row : row + high, :, first:last]
            target[...] = (columns @ matrix).reshape(target.shape)


def _depthwise(windows: NDArray, weights: NDArray, groups: int, out: NDArray) -> None:
    """One input channel a group: tap by tap over all channels."""
    each = weights.shape[0] // groups
    out[...] = 0
    by_group = out.reshape(*out.shape[:3], groups, each)
    for ky, kx in np.ndindex(weights.shape[1:3]):
        by_group += windows[..., ky, kx][..., None] * weights[:, ky, kx, 0].reshape(groups, each)
