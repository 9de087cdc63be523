"""Sparse weights in an accumulator that is too narrow for them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftbook.frontend.lowering.narrow import narrow
from tests.frontend.lowering.test_coarsen import sums

POWERS = np.array([-8, -4, -2, -1, 0, 1, 2, 4, 8], np.int16)
STILL = np.zeros(1, bool)


def narrowed(row, *, offset: float = 0.0, width: int = 18) -> tuple[np.ndarray, float]:
    """One channel's weights and the factor of its grid."""
    integers = np.array([row], np.int16)
    result, gains = narrow(integers, np.array([1e-3]), np.array([offset]), STILL, width)
    return result[0], gains[0] / 1e-3


@given(
    inputs=st.integers(1, 4000),
    offset=st.floats(-50, 50),
    width=st.sampled_from([16, 18, 24]),
    seed=st.integers(0, 99),
)
def test_every_channel_fits_afterwards_and_keeps_powers_of_two(inputs, offset, width, seed):
    integers = np.random.default_rng(seed).choice(POWERS, (1, inputs))
    result, gains = narrow(integers, np.array([0.01]), np.array([offset]), STILL, width)
    assert sums(result)[0] + abs(offset) / gains[0] < 1 << width - 1
    assert set(result.ravel().tolist()) <= set(POWERS.tolist())
    assert gains[0] / 0.01 in (1, 2, 4, 8)


def test_what_fits_stays_and_so_does_what_needs_no_accumulator():
    integers = np.full((2, 200), 2, np.int16)
    integers[1] = 8
    result, gains = narrow(integers, np.ones(2), np.zeros(2), np.array([False, True]), 18)
    assert np.array_equal(result, integers)
    assert (gains == 1).all()


def test_a_sum_that_is_a_little_too_large_loses_its_smallest_weights():
    """18 bits with their margin hold 481 steps: 60 eights and one of the ten ones."""
    result, factor = narrowed([1] * 10 + [8] * 60 + [-1] * 9)
    assert factor == 1
    assert result.tolist() == [1] + [0] * 9 + [8] * 60 + [-1] * 9


def test_a_sum_that_is_much_too_large_takes_a_coarser_grid():
    """Twice as many eights as fit: as fours, all of them stay."""
    result, factor = narrowed([8] * 120)
    assert factor == 2
    assert result.tolist() == [4] * 120


@pytest.mark.parametrize("offset", [1e6, -1e6])
def test_an_offset_that_does_not_fit_changes_nothing(offset):
    """The requantizer refuses it by name."""
    result, factor = narrowed([8] * 120, offset=offset)
    assert (result.tolist(), factor) == ([8] * 120, 1)
