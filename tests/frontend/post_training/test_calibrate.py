import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from shiftbook.frontend.graph.model import INPUT
from shiftbook.frontend.post_training.calibrate import (
    BINS,
    Histogram,
    calibrate,
    choose,
    observe_histograms,
    observe_ranges,
)
from shiftbook.frontend.quantization.affine import Affine
from shiftbook.golden.errors import ShiftbookError
from tests.frontend.models import Residual, layers_of, lively, small


def images(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def histogram(values):
    low, high = float(values.min()), float(values.max())
    return Histogram(low, high, np.histogram(values, BINS, (low, high))[0].astype(float))


@given(st.floats(-100, 100), st.floats(-100, 100))
def test_a_span_reaches_both_ends_and_has_an_exact_zero(a, b):
    low, high = min(a, b), max(a, b)
    affine = Affine.spanning(low, high)
    assert 0 <= affine.zero_point <= 255
    assert affine.quantize(np.zeros(1))[0] == 0
    ends = np.array([low, high])
    assert np.abs(affine.quantize(ends) - ends).max() <= affine.scale * (1 + 1e-9)


def test_spans_of_one_sign_start_at_zero():
    assert Affine.spanning(2.0, 5.1) == Affine(5.1 / 255, 0)
    assert Affine.spanning(-5.1, -2.0) == Affine(5.1 / 255, 255)
    assert Affine.spanning(0.0, 0.0) == Affine(1.0, 0)


def chosen(values, method, percentile):
    return Affine.spanning(*choose(histogram(values), method, percentile))


def test_percentile_leaves_out_the_rarest_values():
    values = np.concatenate([np.linspace(0, 10, 9990), np.full(10, 100.0)])
    assert chosen(values, "percentile", 99.8).scale == pytest.approx(10 / 255, rel=0.02)
    assert chosen(values, "percentile", 100).scale == 100 / 255


@pytest.mark.parametrize("signed", [False, True])
def test_mse_beats_the_whole_range_and_every_percentile(signed):
    values = np.random.default_rng(0).standard_t(3, 200_000)
    values = values if signed else np.maximum(values, 0)

    def error(affine):
        return ((affine.quantize(values) - values) ** 2).mean()

    best = error(chosen(values, "mse", 100))
    for percentile in (100, 99.999, 99.99, 99.9, 99):
        assert best <= error(chosen(values, "percentile", percentile)) * 1.001
    assert best < 0.95 * error(chosen(values, "percentile", 100))


def test_every_tensor_gets_a_scale_and_shares_it_where_nothing_is_computed():
    graph = layers_of(lively(Residual()), (3, 16, 16))
    found = calibrate(graph, images(20, 3, 16, 16), input_range=(-2.0, 3.0))
    assert set(found) == {INPUT, *(layer.name for layer in graph.layers)}
    assert found[INPUT] == Affine.spanning(-2.0, 3.0)
    assert found["pool"] == found["down"]
    assert found["shortcut"] == found["main"]
    assert found["stem"].zero_point == 0, "nothing is negative after a ReLU"
    assert 0 < found["head"].zero_point < 255
    assert found["deep"].scale <= 6 / 255 + 1e-9, "ReLU6"


def test_average_pooling_has_a_scale_of_its_own():
    graph = layers_of(lively(small()), (2, 8, 8))
    found = calibrate(graph, images(20, 2, 8, 8))
    assert found["3"].scale < found["0"].scale


def test_scales_are_those_of_all_images_and_not_of_the_last():
    graph = layers_of(lively(small()), (2, 8, 8))
    x = images(250, 2, 8, 8)
    x[0] *= 10
    whole = calibrate(graph, x, method="percentile", percentile=100)
    assert whole["0"].scale > 3 * calibrate(graph, x[1:], method="percentile", percentile=100)["0"].scale


def test_histograms_count_every_value_once():
    graph = layers_of(lively(small()), (2, 8, 8))
    x = images(250, 2, 8, 8)
    found = observe_histograms(graph, x, observe_ranges(graph, x))
    assert found[INPUT].counts.sum() == x.numel()
    assert found["5"].counts.sum() == 250 * 8 * 3 * 2


def test_progress_runs_from_start_to_end():
    graph = layers_of(lively(small()), (2, 8, 8))
    seen = []
    calibrate(graph, images(250, 2, 8, 8), progress=lambda what, done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (250, 250)


@pytest.mark.parametrize(
    ("count", "options", "message"),
    [
        (0, {}, "calibration needs at least one image"),
        (2, {"method": "max"}, "calibration method must be one of ('mse', 'percentile'), not 'max'"),
        (2, {"percentile": 101.0}, "percentile must be in (50, 100], not 101.0"),
    ],
)
def test_refusals(count, options, message):
    graph = layers_of(lively(small()), (2, 8, 8))
    with pytest.raises(ShiftbookError, match=re.escape(message)):
        calibrate(graph, images(count, 2, 8, 8), **options)


def test_activations_that_are_not_finite_name_their_layer():
    model = lively(nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)))
    graph = layers_of(model, (1, 2, 2))
    graph.layers[-1].module.weight.data[0, 0] = torch.nan
    with pytest.raises(ShiftbookError, match="layer 3 gives NaN or infinite values"):
        calibrate(graph, images(2, 1, 2, 2))
