"""Parts of a layer's input channels add up to the layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.passes import plan_layer
from shiftbook.golden.mapping.split import as_it_is, split_inputs
from shiftbook.golden.model.integer import accumulate, requantize
from shiftbook.golden.spec import DEFAULT, FRACTION
from tests.golden.layers import check_conv, make_codebooks, make_conv, make_vector_conv


@given(st.integers(1, 60), st.integers(1, 6), st.integers(1, 3), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_parts_add_up_to_the_whole(channels: int, at_once: int, kernel: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    conv = make_conv(rng, (3, kernel, kernel, channels))
    image = rng.integers(0, 256, (1, 5, 6, channels), np.uint8)
    parts = split_inputs(conv, at_once * DEFAULT.slots, DEFAULT)
    sums, following = 0, 0
    for first, part in parts:
        size = part.weights.integers.shape[3]
        assert first == following
        assert 1 <= size <= at_once * DEFAULT.slots
        sums = sums + accumulate(image[..., first : first + size], part.weights.integers)
        following += size
    assert following == channels
    assert np.array_equal(sums, accumulate(image, conv.weights.integers))
    assert parts[-1][1].requantize is conv.requantize


def test_the_last_part_alone_requantizes() -> None:
    conv = replace(make_conv(np.random.default_rng(0), (4, 3, 3, 1024)), stride=(2, 2), padding=(1, 1, 1, 1))
    steps = plan_layer(conv, (28, 28, 1024), DEFAULT)
    assert len(steps) == 8
    assert [step.source.first for step in steps] == list(range(0, 1024, 128))
    assert [step.partial_in for step in steps] == [False, *[True] * 7]
    assert [step.partial_out for step in steps] == [*[True] * 7, False]
    assert {step.target.channels for step in steps[:-1]} == {16}
    assert steps[-1].target.channels == 4
    assert all(step.whole is conv for step in steps)


def test_sums_and_residuals_pass_as_they_are() -> None:
    """With bytes taken before the clamp: the factors of `as_it_is` are 1."""
    parameters = as_it_is(3, residual=True)
    assert parameters.multiplier.tolist() == [1, 1, 1]
    assert not parameters.bias.any()
    sums = np.arange(-3, 3)[:, None] * np.array([1, 4, 7])
    residual = np.full(sums.shape, 9, np.uint8)
    steps = sums / 2.0**parameters.shift + residual / 2**FRACTION
    assert np.array_equal(
        requantize(sums, parameters, residual, 0), np.clip(np.floor(steps + 0.5), 0, 255).astype(np.uint8)
    )


def test_an_accumulator_is_proven_for_the_whole_layer() -> None:
    conv = make_conv(np.random.default_rng(0), (1, 3, 3, 4096), density=1.0, values=[127])
    with pytest.raises(ShiftbookError, match="needs 32 bits and the spec has 24"):
        check_conv(conv, (16, 16, 4096), DEFAULT)


ROOM = "layer conv: the activation banks have room for 512 of its 1024 channels and"


def test_what_cannot_be_split() -> None:
    rng = np.random.default_rng(0)
    conv = make_conv(rng, (4, 3, 3, 1024), padding=(1, 1, 1, 1))
    widths = "partial sums have 24 bits: lower accumulator_width, now 32, or raise tile_words above 1024"
    with pytest.raises(ShiftbookError, match=f"{ROOM} {widths}"):
        check_conv(conv, (17, 17, 1024), replace(DEFAULT, accumulator_width=32))
    codebooks = make_codebooks(rng, 1, 16, 4)
    vectors = make_vector_conv(rng, (4, 3, 3, 1024), codebooks, DEFAULT, padding=(1, 1, 1, 1))
    with pytest.raises(ShiftbookError, match=f"{ROOM} vectors cannot be split: raise tile_words above 1024"):
        check_conv(vectors, (17, 17, 1024), DEFAULT)
