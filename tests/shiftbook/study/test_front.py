"""The front and the hypervolume, against counting."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from shiftbook.study.front import growth, hypervolume, on_front

SIDE = 8


def covered(costs: np.ndarray) -> float:
    """Share of the cells of a grid that some point on it dominates."""
    cells = np.array(list(itertools.product(range(SIDE), repeat=costs.shape[1])))
    return float(np.mean((cells[:, None] >= costs * SIDE).all(axis=2).any(axis=1)))


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_hypervolume_is_the_share_of_cells(objectives: int) -> None:
    rng = np.random.default_rng(objectives)
    for count in (0, 1, 2, 5, 20):
        costs = rng.integers(0, SIDE + 1, (count, objectives)) / SIDE
        assert hypervolume(costs) == covered(costs)


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_the_front_is_what_no_other_beats(objectives: int) -> None:
    costs = np.random.default_rng(objectives).integers(0, 4, (40, objectives)).astype(float)
    beaten = [any((other <= cost).all() and (other < cost).any() for other in costs) for cost in costs]
    assert on_front(costs).tolist() == [not each for each in beaten]


def test_growth_never_falls_and_skips_failures() -> None:
    costs = np.random.default_rng(0).random((30, 2))
    known = [i % 5 != 0 for i in range(30)]
    found = growth(costs, known)
    assert found == sorted(found)
    assert found[0] == 0.0
    assert all(found[i] == found[i - 1] for i in range(5, 30, 5))
    left = costs[known]
    low, high = left.min(axis=0), left.max(axis=0)
    assert found[-1] == round(hypervolume((left - low) / (high - low)), 9)


def test_no_points_grow_to_nothing() -> None:
    assert growth(np.empty((2, 1)), [False, False]) == [0.0, 0.0]
