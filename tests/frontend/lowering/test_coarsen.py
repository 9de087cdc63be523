import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shiftbook.frontend.lowering.coarsen import coarsen


def sums(integers):
    """Largest magnitude of an accumulator without its bias, by channel."""
    flat = integers.reshape(len(integers), -1).astype(np.int64)
    return 255 * np.maximum(np.maximum(flat, 0).sum(1), np.maximum(-flat, 0).sum(1))


def test_what_fits_stays_and_so_does_what_needs_no_accumulator():
    integers = np.array([[[100, -127]], [[127, 3]]], np.int16)
    gain, offset = np.array([1e-3, 1e-9]), np.array([50.0, 50.0])
    result, gains = coarsen(integers, gain, offset, np.array([False, True]), 24)
    assert np.array_equal(result, integers)
    assert np.array_equal(gains, gain)


@given(
    inputs=st.integers(1, 30_000),
    gain=st.floats(1e-8, 1e-3),
    offset=st.floats(-300, 300),
    width=st.sampled_from([20, 24]),
    seed=st.integers(0, 99),
)
def test_every_channel_fits_afterwards_and_means_nearly_what_it_meant(inputs, gain, offset, width, seed):
    integers = np.random.default_rng(seed).integers(-127, 128, (1, inputs), np.int16)
    result, gains = coarsen(integers, np.array([gain]), np.array([offset]), np.zeros(1, bool), width)
    assert sums(result)[0] + abs(offset) / gains[0] <= 1 << width - 1
    # Half a step of the coarser grid for every weight.
    assert np.abs(result * gains - integers * gain).max() <= gains[0] / 2 * (1 + 1e-9)


def test_the_grid_is_no_coarser_than_it_must_be():
    integers = np.random.default_rng(0).integers(-127, 128, (3, 5000), np.int16)
    result, gains = coarsen(integers, np.full(3, 1e-6), np.zeros(3), np.zeros(3, bool), 24)
    assert (sums(result) > 0.9 * 2**23).all()
    assert np.allclose(gains / 1e-6, sums(integers) / sums(result), rtol=0.01)
