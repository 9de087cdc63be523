"""How integer weights are distributed, against NumPy on all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shiftbook.golden.model.weights import Weights
from shiftbook.golden.statistics.distribution import distribution
from tests.golden.layers import FOCUSED, make_conv


def drawn(scheme: str, *, gapless: bool = False) -> Weights:
    conv = make_conv(np.random.default_rng(3), (6, 3, 3, 5), gapless=gapless, values=FOCUSED)
    return replace(conv.weights, scheme=scheme)


def test_counts_are_those_of_the_weights() -> None:
    weights = drawn("focused")
    found = distribution(weights)
    assert list(found.integers) == sorted(set(weights.integers.ravel().tolist()))
    assert sum(found.counts) == weights.integers.size
    for value, count in zip(found.integers, found.counts, strict=True):
        assert count == (weights.integers == value).sum()
    assert list(found.levels) == sorted(FOCUSED)


def test_components_are_the_two_sides() -> None:
    weights = drawn("focused")
    found = distribution(weights).components
    assert found is not None
    nonzero = weights.integers[weights.integers != 0]
    for side, component in zip((nonzero[nonzero < 0], nonzero[nonzero > 0]), found, strict=True):
        assert component.share == side.size / nonzero.size
        assert component.mean == pytest.approx(side.mean(), abs=1e-12)
        assert component.sigma == pytest.approx(side.std(), abs=1e-12)


def test_other_schemes_and_single_sides_have_no_components() -> None:
    assert distribution(drawn("shift")).components is None
    weights = drawn("focused")
    for integers in (np.abs(weights.integers), 0 * weights.integers):
        assert distribution(replace(weights, integers=integers)).components is None
