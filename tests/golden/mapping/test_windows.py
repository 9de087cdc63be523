"""Parts of a kernel that covers its input add up to the layer, each within what the engine can look at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.legality import check_pass
from shiftbook.golden.mapping.passes import plan_layer
from shiftbook.golden.mapping.windows import Window, windows
from shiftbook.golden.model.integer import accumulate
from shiftbook.golden.spec import DEFAULT, Spec
from tests.golden.layers import make_codebooks, make_conv, make_vector_conv, specs


def sums_of(part: Window, image: np.ndarray, spec: Spec) -> np.ndarray:
    """What one pass adds up, of the input from its block on, with 7 around it."""
    y, x = part.block[0] * spec.rows, part.block[1] * spec.cols
    assert part.source == image[:, y:, x:].shape[1:3]
    conv = part.conv
    rest = {"stride": conv.stride, "padding": conv.padding, "dilation": conv.dilation, "groups": conv.groups}
    return accumulate(image[:, y:, x:], conv.weights.integers, pad_value=7, **rest)


@given(
    specs(), st.integers(1, 40), st.integers(1, 40), st.integers(1, 5), st.booleans(), st.integers(0, 2**32)
)
@settings(max_examples=60, deadline=None)
def test_parts_add_up_to_the_whole(spec, rows, cols, inputs, depthwise, seed) -> None:
    rng = np.random.default_rng(seed)
    narrow = [1, 2] if spec.lane == "shift" and len(spec.terms) > 1 else None
    shape = (inputs, rows, cols, 1) if depthwise else (2, rows, cols, inputs)
    conv = make_conv(rng, shape, density=0.5, values=narrow, groups=inputs if depthwise else 1)
    image = rng.integers(0, 256, (1, rows, cols, inputs), np.uint8)
    parts = windows(conv, (rows, cols), spec)
    sums = 0
    for part in parts:
        sums = sums + sums_of(part, image, spec)
    assert np.array_equal(sums, accumulate(image, conv.weights.integers, groups=conv.groups))
    steps = plan_layer(conv, (rows, cols, inputs), spec)
    assert {step.layout.output for step in steps} == {(1, 1)}
    for step in steps:
        check_pass(replace(step, whole=step.conv), spec)


@given(
    st.tuples(st.integers(5, 12), st.integers(5, 12)),
    st.sampled_from([1, 2]),
    st.tuples(*[st.integers(0, 4)] * 4),
    st.sampled_from([(1, 1), (1, 1), (1, 2)]),
    st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_parts_of_a_kernel_that_moves_add_up(kernel, stride, padding, dilation, seed) -> None:
    rng = np.random.default_rng(seed)
    size = tuple(int(step * n) + int(rng.integers(0, 9)) for step, n in zip(dilation, kernel, strict=True))
    rest = {"stride": (stride, stride), "padding": padding, "dilation": dilation}
    conv = make_conv(rng, (2, *kernel, 4), density=0.5, **rest)
    image = rng.integers(0, 256, (1, *size, 4), np.uint8)
    wanted = accumulate(image, conv.weights.integers, **rest, pad_value=7)
    sums = 0
    parts = windows(conv, size, DEFAULT)
    assert len(parts) > 1 or parts[0].conv is conv
    for part in parts:
        sums = sums + sums_of(part, image, DEFAULT)
    assert np.array_equal(sums, wanted)


def test_what_fits_stays_whole() -> None:
    rng = np.random.default_rng(0)
    for shape, source in (((2, 8, 8, 4), (8, 8)), ((2, 3, 3, 4), (12, 12))):
        conv = make_conv(rng, shape)
        (part,) = windows(conv, source, DEFAULT)
        assert part.conv is conv


def test_what_cannot_be_split() -> None:
    rng = np.random.default_rng(0)
    conv = make_conv(rng, (2, 20, 20, 4))
    with pytest.raises(
        ShiftbookError, match="a 20x20 kernel takes several passes, and partial sums have 24 bits"
    ):
        windows(conv, (20, 20), replace(DEFAULT, accumulator_width=32))
    narrow = replace(DEFAULT, terms=((0, 3),))
    large = replace(conv, weights=replace(conv.weights, integers=np.full((2, 20, 20, 4), 108, np.int16)))
    with pytest.raises(ShiftbookError, match="layer conv: weight 108 needs more than 4 rows"):
        windows(large, (20, 20), narrow)
    vectors = make_vector_conv(rng, (2, 20, 20, 4), make_codebooks(rng, 1, 8, 2), DEFAULT)
    with pytest.raises(ShiftbookError, match="and vectors cannot be split: take a scheme without them"):
        windows(vectors, (20, 20), DEFAULT)
