"""Accumulators against torch in int64, and the requantizer against Python's integers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.accumulator import prove_accumulator
from shiftbook.golden.model.integer import (
    MAX_MULTIPLIER,
    MAX_RESIDUAL_MULTIPLIER,
    MAX_SHIFT,
    accumulate,
    requantize,
)
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.model.weights import Requantize, Weights
from shiftbook.golden.spec import DEFAULT

torch.set_num_threads(1)  # the tensors are tiny


def by_hand(acc: int, bias: int, m: int, s: int, zero: int, low: int, high: int, r: int = 0) -> int:
    """Twice 2^(s + 8) times all that is added up is an integer; ``r`` is in 2^-8."""
    doubled = 2 * ((acc + bias) * m << 8) + 2 * (r << s) + (1 << s + 8)
    return min(max(zero + (doubled >> s + 9), low), high)


def parameters(bias=0, m=1, s=0, zero=0, low=0, high=255, residual=None) -> Requantize:
    return Requantize(
        np.array([bias]),
        np.array([m]),
        np.array([s]),
        zero,
        low,
        high,
        residual,
    )


wide = st.integers(-(2**31), 2**31 - 1)
byte = st.integers(0, 255)
clamps = st.tuples(byte, byte).map(sorted)


@given(wide, wide, st.integers(0, MAX_MULTIPLIER), st.integers(0, MAX_SHIFT), byte, clamps)
def test_requantize_equals_python_integers(acc, bias, m, s, zero, clamp):
    low, high = clamp
    got = requantize(np.array([[acc]]), parameters(bias, m, s, zero, low, high))
    assert got[0, 0] == by_hand(acc, bias, m, s, zero, low, high)


@given(
    wide,
    st.integers(1, MAX_MULTIPLIER),
    st.integers(0, MAX_SHIFT),
    byte,
    st.integers(0, MAX_RESIDUAL_MULTIPLIER),
    byte,
    byte,
)
def test_requantize_adds_the_residual_before_it_rounds(acc, m, s, zero, m_r, residual, residual_zero):
    got = requantize(
        np.array([[acc]]),
        parameters(0, m, s, zero, residual=m_r),
        np.array([[residual]], np.uint8),
        residual_zero,
    )
    assert got[0, 0] == by_hand(acc, 0, m, s, zero, 0, 255, (residual - residual_zero) * m_r)


@pytest.mark.parametrize("zero", [0, 128, 255])
@pytest.mark.parametrize("shift", [0, 1, 2, 7, 16, 31, MAX_SHIFT])
@pytest.mark.parametrize("multiplier", [1, 3, 1023, MAX_MULTIPLIER])
def test_requantize_at_every_rounding_and_clamp_boundary(shift, multiplier, zero):
    """One below, at and above every half and every clamp, positive and negative."""
    targets = {t for y in range(-300, 301) for t in ((2 * y + 1 << shift) // 2, y << shift)}
    accs = {t // multiplier + d for t in targets for d in (-1, 0, 1)}
    acc = np.array(sorted(a for a in accs if -(2**31) <= a < 2**31))
    for low, high in ((0, 255), (zero, 255), (3, 7), (200, 200)):
        got = requantize(acc[:, None], parameters(0, multiplier, shift, zero, low, high))[:, 0]
        assert got.tolist() == [by_hand(int(a), 0, multiplier, shift, zero, low, high) for a in acc]


def test_halves_round_up():
    acc = np.array([[-3], [-2], [-1], [0], [1], [2], [3]])
    assert requantize(acc, parameters(s=1, zero=100))[:, 0].tolist() == [99, 99, 100, 100, 101, 101, 102]


def test_requantize_has_one_parameter_a_channel():
    rng = np.random.default_rng(1)
    acc = rng.integers(-(2**23), 2**23, (3, 5, 7, 6))
    p = Requantize(
        rng.integers(-(2**20), 2**20, 6), rng.integers(0, 1024, 6), rng.integers(10, 26, 6), 9, 4, 250
    )
    got = requantize(acc, p)
    for index in np.ndindex(acc.shape):
        o = index[-1]
        args = int(acc[index]), int(p.bias[o]), int(p.multiplier[o]), int(p.shift[o]), 9, 4, 250
        assert got[index] == by_hand(*args)


@st.composite
def convolutions(draw):
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    inputs, each = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    kernel = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    padding = draw(st.tuples(*[st.integers(0, 3)] * 4))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (3, 1), (1, 4)]))
    rows, cols = (step * (size - 1) + 1 for step, size in zip(dilation, kernel, strict=True))
    height = draw(st.integers(*sorted((max(1, rows - padding[0] - padding[1]), 12))))
    width = draw(st.integers(*sorted((max(1, cols - padding[2] - padding[3]), 12))))
    height, width = max(height, rows - padding[0] - padding[1]), max(width, cols - padding[2] - padding[3])
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    images = rng.integers(0, 256, (draw(st.integers(1, 3)), height, width, groups * inputs), np.uint8)
    largest = draw(st.sampled_from([3, 127]))
    weights = rng.integers(-largest - 1, largest + 1, (groups * each, *kernel, inputs)).astype(np.int16)
    return images, weights, stride, padding, groups, draw(byte), dilation


def torch_convolution(images, weights, stride, padding, groups, pad_value, dilation=(1, 1)):
    top, bottom, left, right = padding
    x = torch.from_numpy(images.astype(np.int64)).permute(0, 3, 1, 2)
    x = torch.nn.functional.pad(x, (left, right, top, bottom), value=pad_value)
    w = torch.from_numpy(weights.astype(np.int64)).permute(0, 3, 1, 2)
    y = torch.nn.functional.conv2d(x, w, stride=stride, groups=groups, dilation=dilation)
    return y.permute(0, 2, 3, 1).numpy()


@given(convolutions())
@settings(max_examples=150, deadline=None)
def test_accumulators_equal_torch_in_int64(case):
    images, weights, stride, padding, groups, pad_value, dilation = case
    window = {"stride": stride, "padding": padding, "dilation": dilation}
    got = accumulate(images, weights, **window, groups=groups, pad_value=pad_value)
    want = torch_convolution(*case)
    assert got.shape == want.shape
    assert np.array_equal(got, want)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("count", "dtype"), [(516, np.float32), (519, np.float64)])
def test_the_largest_sums_are_exact(sign, count, dtype):
    """Both sides of 2^24, where float32 stops holding every integer."""
    rng = np.random.default_rng(2)
    images = np.full((1, 1, 1, count), 255, np.uint8)
    images[0, 0, 0, 0] = 254
    weights = np.full((2, 1, 1, count), 127 * sign, np.int16)
    weights[1] = rng.integers(-128, 128, count)
    got = accumulate(images, weights)
    assert got.dtype == dtype
    assert np.array_equal(got, torch_convolution(images, weights, 1, (0, 0, 0, 0), 1, 0))


def conv_of(weights, bias=0) -> Conv:
    integers = np.array(weights, np.int16).reshape(1, 1, 1, -1)
    return Conv("block.conv1", "x", Weights(integers, np.unique(integers), "int8", True), parameters(bias))


def test_an_accumulator_that_just_fits_is_accepted():
    spec = replace(DEFAULT, accumulator_width=16)
    prove_accumulator(conv_of([127, 1, -128]), spec)  # 128 * 255 = 32640
    prove_accumulator(conv_of([-127, -1, 127]), spec)


@pytest.mark.parametrize(("weights", "bits"), [([127, 2, -1], 17), ([-127, -2, 5], 17), ([127] * 5, 19)])
def test_an_accumulator_that_could_overflow_is_refused(weights, bits):
    message = (
        rf"layer block.conv1: .* channel 0 needs {bits} bits and the spec has 16: raise accumulator_width"
    )
    with pytest.raises(ShiftbookError, match=message):
        prove_accumulator(conv_of(weights), replace(DEFAULT, accumulator_width=16))


@pytest.mark.parametrize(("weights", "bias"), [([127, -1], 382), ([1, -127], -382)])
def test_an_accumulator_must_fit_with_its_bias_too(weights, bias):
    """127 * 255 + 382 is 32767: one more would come out of the requantizer's sum as -32768."""
    spec = replace(DEFAULT, accumulator_width=16)
    prove_accumulator(conv_of(weights, bias), spec)
    with pytest.raises(ShiftbookError, match="channel 0 needs 17 bits and the spec has 16"):
        prove_accumulator(conv_of(weights, bias + np.sign(bias)), spec)


@pytest.mark.parametrize(("weights", "bias"), [([127, 2, -1], -200), ([-127, -2, 5], 200)])
def test_a_bias_does_not_make_room(weights, bias):
    """129 * 255 is 32895, too much alone, though not together with the bias."""
    with pytest.raises(ShiftbookError, match="channel 0 needs 17 bits and the spec has 16"):
        prove_accumulator(conv_of(weights, bias), replace(DEFAULT, accumulator_width=16))
