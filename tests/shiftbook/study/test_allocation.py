"""A budget is met with the least error that the curves allow, and a study shares it out."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.study.run import Place, prepared, run
from shiftbook.study.study import read_study
from shiftbook.study.tasks.allocation import Curve, allocate

SHARES = (1.0, 0.75, 0.5, 0.25)


def curves_of(seed: int) -> dict[str, Curve]:
    """Convex curves, whose cycles fall by whole steps."""
    rng = np.random.default_rng(seed)
    found = {}
    for layer in "abc":
        errors = [0.0, *np.cumsum(np.sort(rng.random(3)))]
        found[layer] = Curve(SHARES, [40.0, 30.0, 20.0, 10.0], errors)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_no_choice_of_measured_shares_is_better(seed: int) -> None:
    curves = curves_of(seed)
    for budget in (110, 90, 70, 50, 30):
        found = allocate(curves, 120, budget)
        places = {layer: SHARES.index(share) for layer, share in found.items()}
        cost = sum(curves[layer].cycles[i] for layer, i in places.items())
        error = sum(curves[layer].errors[i] for layer, i in places.items())
        assert cost == budget
        others = itertools.product(range(4), repeat=3)
        allowed = [
            o for o in others if sum(c.cycles[i] for c, i in zip(curves.values(), o, strict=True)) <= budget
        ]
        best = min(sum(c.errors[i] for c, i in zip(curves.values(), o, strict=True)) for o in allowed)
        assert error == pytest.approx(best, rel=1e-12)


def test_the_last_part_is_taken_as_far_as_needed() -> None:
    assert allocate({"a": Curve((1.0, 0.5), (40, 20), (0.0, 1.0))}, 100, 95) == {"a": 0.875}


def test_what_is_not_convex_is_bridged() -> None:
    bump = Curve((1.0, 0.5, 0.25), (40, 30, 20), (0.0, 9.0, 1.0))
    flat = Curve((1.0, 0.5), (40, 30), (0.0, 2.0))
    assert allocate({"bump": bump, "flat": flat}, 80, 60) == {"bump": 0.25, "flat": 1.0}


def test_shares_that_save_nothing_are_not_pruned_to() -> None:
    stuck = Curve((1.0, 0.5, 0.25), (40, 40, 40), (0.0, 0.0, 0.0))
    other = Curve((1.0, 0.5), (40, 20), (0.0, 1.0))
    assert allocate({"stuck": stuck, "other": other}, 80, 60) == {"stuck": 1.0, "other": 0.5}


def test_too_small_a_budget() -> None:
    message = r"^the budget must be at least 0\.250 of the unpruned network's cycles, not 0\.100: "
    with pytest.raises(ShiftbookError, match=message):
        allocate(curves_of(0), 120, 12)


STUDY = """
[network.tiny]
source = "{net}"
data = "digits"

[[compression]]
scheme = "shift"
budget = [0.9, 0.95, 0.01]

[objectives]
accuracy = "max"
cycles = "min"
density = "min"
"""

NET = """
import torch
from torch import nn


def make():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(64, 10),
    )
"""


def test_a_study_shares_a_budget_out(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    file = tmp_path / "s.toml"
    file.write_text(STUDY.format(net=f"{tmp_path}/net.py:make"))
    done = run(read_study(file), Place(tmp_path / "out"))
    some, more, less = done.result["points"]
    assert some["values"]["cycles"] < more["values"]["cycles"]
    assert some["values"]["density"] < more["values"]["density"] < 1
    assert less["error"].startswith("the budget must be at least 0.")
    assert run(read_study(file), Place(tmp_path / "out")).computed == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("budget = 0", "budget must be in (0, 1], the share of the unpruned network's cycles, not 0.0"),
        ("density = 0.5\nbudget = 0.5", "a budget finds the density of each layer: leave density out"),
        ('scheme = "product"\nbudget = 0.5', "a budget is for schemes of single weights, not for 'product'"),
    ],
)
def test_a_budget_that_makes_no_sense(options: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    file = tmp_path / "s.toml"
    text = STUDY.format(net=f"{tmp_path}/net.py:make")
    file.write_text(text.replace('scheme = "shift"\nbudget = [0.9, 0.95, 0.01]', options))
    with pytest.raises(ShiftbookError) as refused:
        prepared(read_study(file))
    assert str(refused.value).endswith(message)
