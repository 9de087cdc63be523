"""What the census measures of a network: nearness to the float network, and the planner's answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import lively
from benchmarks.census_run import Measured, measured, summary

USUAL = (3, 24, 24)


def network(shape: tuple[int, int, int] = USUAL) -> nn.Module:
    """With batch norm that has seen nothing, and a branch that begins at zero."""
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.SiLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )
    nn.init.zeros_(model[4].weight)
    return model.eval()


def fixed(shape: tuple[int, int, int]) -> nn.Module:
    """It takes its usual images only."""
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 22 * 22, 4)).eval()


def test_scores_are_near_and_the_planner_takes_it():
    found = measured("a/network", network, USUAL, 12)
    assert found.size == (12, 12)
    assert 0.99 < found.correlation < 1
    assert found.planned
    assert found.why == ""


def test_a_network_that_takes_no_smaller_images_gets_its_own():
    assert measured("a/fixed", fixed, USUAL, 12).size == (24, 24)


def test_what_is_in_the_way_is_told():
    found = measured(
        "a/norm", lambda shape: nn.Sequential(nn.Conv2d(3, 2, 1), nn.LayerNorm([2, 24, 24])), USUAL, None
    )
    assert found.correlation is None
    assert not found.planned
    assert "LayerNorm" in found.why or "layer_norm" in found.why


def test_wrong_integers_are_far(monkeypatch: pytest.MonkeyPatch):
    from shiftbook.golden.model import executor

    run = executor.run

    def shuffled(*args, **options):
        found = run(*args, **options)
        mixed = {name: np.roll(scores, 1, axis=3) for name, scores in found.results.items()}
        return executor.Result(found.outputs, mixed)

    monkeypatch.setattr(executor, "run", shuffled)
    assert not measured("a/network", network, USUAL, None).near


def test_signals_live():
    model = network()
    inputs = torch.from_numpy(lively.images(8, USUAL, 0)).permute(0, 3, 1, 2) / 64 - 2
    lively.enliven(model, inputs, 0)
    maps = model[:6](inputs)
    assert maps.std() > 0.3
    assert not model.training


def test_summary_counts():
    good = Measured("a/good", (8, 8), 0.999, True, 100)
    bad = Measured("a/bad", (8, 8), 0.9, True, 100)
    text = summary([good, bad])
    assert "2 networks: 2 run on golden, 1 (50%)" in text
    assert "a/bad" in text
    assert "a/good" not in text
