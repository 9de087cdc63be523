"""Float values as bytes, and back."""

from __future__ import annotations

import numpy as np
import pytest

from shiftbook.frontend.data.scale import InputScale
from shiftbook.golden.errors import ShiftbookError

ZERO = (0.0, 0.0)


def drawn(low, high, shape=(300, 2, 5)):
    """[N, H, W, 2] from -1 to 1, and from ``low`` to ``high``."""
    values = np.random.default_rng(0).uniform(0, 1, (*shape, 2)).astype(np.float32)
    values[0, 0, 0], values[1, 0, 0] = 0, 1
    return values * np.float32([2, high - low]) + np.float32([-1, low])


@pytest.mark.parametrize(("low", "high"), [(-3e5, 7e5), (0, 1e-6), (-5, -1), (40, 41), (-1e30, 1e30)])
def test_every_value_comes_back_to_half_a_step(low, high):
    values = drawn(low, high)
    scale = InputScale.spanning(values, ZERO)
    back = (scale.to_bytes(values).astype(np.float64) - scale.zero_point) * scale.scale
    assert (np.abs(back - values) <= np.array(scale.scale) * 1.0001).all()
    assert (np.median(np.abs(back - values), axis=(0, 1, 2)) <= np.array(scale.scale) / 2).all()
    assert all(0 <= zero <= 255 for zero in scale.zero_point), "0 has a byte of its own, for padding"


def test_the_formula_is_the_documented_one():
    scale = InputScale((0.5, 2.0), (10, 200))
    values = np.array([[[[0.24, 3.0], [0.75, -5.0]]], [[[-99, 999], [200, -999]]]])
    assert scale.to_bytes(values).tolist() == [[[[10, 202], [12, 198]]], [[[0, 255], [255, 0]]]]


def test_a_mean_far_from_0_takes_no_levels():
    pressure = np.random.default_rng(0).uniform(101000, 101500, (50, 1, 9, 1))
    scale = InputScale.spanning(pressure, (101300.0,))
    assert scale.scale[0] < 500 / 254
    assert len(np.unique(scale.to_bytes(pressure))) > 150


def test_channels_without_a_range_have_a_scale():
    scale = InputScale.spanning(np.zeros((3, 1, 4, 2)), ZERO)
    assert scale == InputScale((1.0, 1.0), (0, 0))
    constant = InputScale.spanning(np.full((3, 1, 4, 1), -7.0), (0.0,))
    assert constant.zero_point == (255,)
    assert constant.to_bytes(np.full((1, 1, 1, 1), -7.0)).item() == 0


def test_values_beyond_the_range_get_its_ends():
    scale = InputScale.spanning(drawn(0, 10), ZERO)
    assert scale.to_bytes(np.array([[[[-9.0, -9.0], [9.0, 99.0]]]])).tolist() == [[[[0, 0], [255, 255]]]]


def test_a_checkpoint_keeps_it():
    scale = InputScale.spanning(drawn(-3, 8), ZERO)
    assert InputScale.of(scale.facts(), 2) == scale
    assert InputScale.of({"scheme": "int8"}, 2) is None


@pytest.mark.parametrize(
    "facts",
    [
        {"input_scale": [1.0, 1.0]},
        {"input_zero_point": [0, 0]},
        {"input_scale": [1.0], "input_zero_point": [0]},
        {"input_scale": [1.0, 0.0], "input_zero_point": [0, 0]},
        {"input_scale": [1.0, -1.0], "input_zero_point": [0, 0]},
        {"input_scale": [1.0, True], "input_zero_point": [0, 0]},
        {"input_scale": [1.0, "2"], "input_zero_point": [0, 0]},
        {"input_scale": [1.0, 2.0], "input_zero_point": [0, 0.5]},
        {"input_scale": [1.0, 2.0], "input_zero_point": {"a": 3}},
        {"input_scale": "text", "input_zero_point": None},
    ],
)
def test_damaged_facts_are_refused(facts):
    with pytest.raises(
        ShiftbookError, match="the checkpoint's input_scale must be 2 positive numbers and its "
    ):
        InputScale.of(facts, 2)
