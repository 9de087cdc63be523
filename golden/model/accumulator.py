"""Proof that no image can make a layer's accumulator overflow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.integer import LARGEST_ACTIVATION
from shiftbook.golden.model.nodes.conv import Conv
from shiftbook.golden.spec import Spec


def prove_accumulator(conv: Conv, spec: Spec) -> None:
    """Refuse a layer whose accumulator could overflow for some image.

    Partial sums in any order lie between the sums of the negative and of the positive weights times 255, so
    both must fit, without the bias and with it: the requantizer adds it in as many bits. (Within one weight
    of several terms the sum may leave that range and return: the accumulator wraps both ways.)

    Raises
    ------
    ShiftbookError
        Names the layer, its worst output channel and the bits that it needs.
    """
    extreme = _extremes(conv)
    if not extreme.size or extreme.max() < 1 << spec.accumulator_width - 1:
        return
    channel = int(extreme.argmax())
    needed = int(extreme[channel]).bit_length() + 1
    raise ShiftbookError(
        f"layer {conv.name}: the accumulator of output channel {channel} needs {needed} bits and "
        f"the spec has {spec.accumulator_width}: raise accumulator_width to {needed} "
        f"or give the layer smaller weights"
    )


def accumulator_bits(conv: Conv) -> int:
    """Bits of the narrowest accumulator that `prove_accumulator` accepts for a layer."""
    return int(_extremes(conv).max(initial=0)).bit_length() + 1


def _extremes(conv: Conv) -> NDArray[np.int64]:
    """[O] largest magnitude of each output channel's sum, with its bias and without."""
    weights = conv.weights.integers.astype(np.int64).reshape(len(conv.weights.integers), -1)
    high = np.tile(np.maximum(weights, 0).sum(1) * LARGEST_ACTIVATION, conv.copies)
    low = np.tile(np.minimum(weights, 0).sum(1) * LARGEST_ACTIVATION, conv.copies)
    bias = conv.requantize.bias
    return np.maximum(high + np.maximum(bias, 0), -(low + np.minimum(bias, 0)))
