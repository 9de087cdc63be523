"""A convolution whose input does not fit the activation banks, as several on some input channels each.

What the lanes add up leaves as partial sums, see `golden.spec.PARTIAL_BYTES`, and the next part goes on
with them. The last one adds the bias and requantizes. Sums are taken modulo the accumulator's width, so
that the result is that of the whole layer, bit by bit. A residual is fetched by the first part and goes
along with the sums.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.model.weights import Requantize
from shiftbook.golden.spec import LEAST_SHIFT, PARTIAL_WIDTH, Spec


def split_inputs(conv: Conv, at_once: int, spec: Spec) -> list[tuple[int, Conv]]:
    """Cut a layer without groups into parts of at most ``at_once`` input channels.

    Returns
    -------
    parts
        The first input channel of each, and its layer. All but the last have the requantizer of `as_it_is`.

    Raises
    ------
    ShiftbookError
        The layer's weights are sums of vectors, which lie across channels, or a sum does not fit its bytes.
    """
    channels = conv.weights.integers.shape[3]
    too_many = f"layer {conv.name}: the activation banks have room for {at_once} of its {channels} channels"
    if conv.weights.vectors is not None:
        raise ShiftbookError(
            f"{too_many} and vectors cannot be split: raise tile_words above {spec.tile_words}"
        )
    if spec.accumulator_width > PARTIAL_WIDTH:
        raise ShiftbookError(
            f"{too_many} and partial sums have {PARTIAL_WIDTH} bits: lower accumulator_width, now "
            f"{spec.accumulator_width}, or raise tile_words above {spec.tile_words}"
        )
    count = -(-channels // at_once)
    size = -(-channels // (count * spec.slots)) * spec.slots
    firsts = range(0, channels, size)
    return [(first, _part(conv, first, size, first + size >= channels, spec)) for first in firsts]


def _part(conv: Conv, first: int, size: int, last: bool, spec: Spec) -> Conv:
    weights = conv.weights
    integers = weights.integers[..., first : first + size]
    requantize = conv.requantize if last else as_it_is(len(integers), conv.residual is not None)
    return replace(conv, weights=code_weights(integers, weights.scheme, spec), requantize=requantize)


def as_it_is(outputs: int, residual: bool) -> Requantize:
    """The requantizer under which sums and residuals are what they were."""
    return Requantize(
        bias=np.zeros(outputs, np.int64),
        multiplier=np.ones(outputs, np.int64),
        shift=np.full(outputs, LEAST_SHIFT),
        residual_multiplier=1 if residual else None,
    )
