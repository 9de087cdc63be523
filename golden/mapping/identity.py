"""Layers that hand activations on as they are: 1 x 1, with one weight for each output channel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.model.weights import Requantize
from shiftbook.golden.spec import FRACTION, Spec


def same_values(channels: int, zero_point: int) -> Requantize:
    """A requantizer under which 1 times an activation is the activation."""
    full = lambda value: np.full(channels, value, np.int64)  # noqa: E731
    return Requantize(full(-zero_point), full(1 << FRACTION), full(FRACTION), zero_point)


def unit(spec: Spec) -> int:
    """The smallest power of two that the lanes can multiply with in one row."""
    return 1 << min(low for low, _ in spec.terms) if spec.lane == "shift" else 1


def of_units(requantize: Requantize, spec: Spec) -> Requantize:
    """The requantizer for weights of `unit` instead of 1."""
    factor = unit(spec)
    bits = factor.bit_length() - 1
    return replace(requantize, bias=requantize.bias * factor, shift=requantize.shift + bits)


def check_channels(name: str, channels: int, spec: Spec) -> None:
    """Refuse to hand on too many channels, before memory is taken for channels x channels weights."""
    most = (1 << spec.channel_counter_width) - 1
    if channels > most:
        raise ShiftbookError(
            f"layer {name}: channels must be in 1..{most}, not {channels}, with the spec's "
            "channel_counter_width"
        )


def identity(
    name: str,
    source: str,
    channels: int,
    before: int,
    after: int,
    stride: int,
    requantize: Requantize,
    spec: Spec,
) -> Conv:
    """A 1 x 1 layer that hands every channel on, with channels of the zero point on both sides."""
    outputs = before + channels + after
    check_channels(name, max(channels, outputs), spec)
    integers = np.zeros((outputs, 1, 1, channels), np.int16)
    integers[before + np.arange(channels), 0, 0, np.arange(channels)] = unit(spec)
    requantize = of_units(requantize, spec)
    if before or after:  # the channels that are added have no accumulator to take the zero point from
        requantize = replace(requantize, bias=np.where(integers.any(axis=(1, 2, 3)), requantize.bias, 0))
    return Conv(name, source, code_weights(integers, "ones", spec), requantize, (stride, stride))
