"""Points that no other beats, and how much of the space they cover."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]


def on_front(costs: Reals) -> NDArray[np.bool_]:
    """[N]: whether no other point is as good in every cost and better in one.

    Parameters
    ----------
    costs
        [N, objectives], less is better. Equal points are on the front together.
    """
    kept = np.ones(len(costs), bool)
    for i, cost in enumerate(costs):
        if kept[i]:  # what a beaten point beats is beaten by what beats it
            kept &= ~((costs >= cost).all(axis=1) & (costs > cost).any(axis=1))
    return kept


def hypervolume(costs: Reals) -> float:
    """Share of the unit cube that the points dominate.

    Parameters
    ----------
    costs
        [N, objectives] in 0..1, less is better; N may be 0.
    """
    if not len(costs):
        return 0.0
    if costs.shape[1] == 1:
        return float(1 - costs.min())
    front = np.unique(costs[on_front(costs)], axis=0)  # by rising first cost
    ends = np.append(front[1:, 0], 1.0)
    slices = [
        (end - point[0]) * hypervolume(front[: i + 1, 1:])
        for i, (point, end) in enumerate(zip(front, ends, strict=True))
    ]
    return float(sum(slices))


def growth(costs: Reals, known: Sequence[bool]) -> list[float]:
    """Hypervolume after each point, in the order in which they were asked for.

    Parameters
    ----------
    costs
        [N, objectives], less is better. The cube reaches from the best to the worst of the known ones.
    known
        [N]: whether a point counts; others leave the volume as it is.
    """
    counted = np.flatnonzero(known)
    if not len(counted):
        return [0.0] * len(known)
    low, high = costs[counted].min(axis=0), costs[counted].max(axis=0)
    unit = (costs - low) / np.where(high > low, high - low, 1.0)
    found, volume, best = [], 0.0, np.empty((0, costs.shape[1]))
    for i, counts in enumerate(known):
        if counts and not (best <= unit[i]).all(axis=1).any():
            best = np.vstack([best, unit[i]])
            best = best[on_front(best)]
            volume = hypervolume(best)
        found.append(round(volume, 9))
    return found
