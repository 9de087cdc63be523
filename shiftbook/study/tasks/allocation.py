"""How far each layer is pruned under a budget of cycles: the steepest parts of all layers' curves first."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shiftbook.golden.errors import ShiftbookError


@dataclass(frozen=True)
class Curve:
    """What pruning one layer alone does.

    Attributes
    ----------
    shares
        Of its weights that are kept, from 1 down.
    cycles
        Of the layer, for each.
    errors
        Mean square by which the class scores differ from those of the unpruned network, for each.
    """

    shares: Sequence[float]
    cycles: Sequence[float]
    errors: Sequence[float]


@dataclass(frozen=True)
class Step:
    """A part of a layer's convex hull, from one share to a lower one."""

    layer: str
    slope: float
    saved: float
    begins: float
    ends: float


def allocate(curves: Mapping[str, Curve], total: float, budget: float) -> dict[str, float]:
    """Shares of the layers with which all cycles are within the budget and the errors add up to least.

    Errors of layers are taken to add up, and to be convex in cycles: each curve counts as its lower convex
    hull. Then the best is to go down the flattest parts of all hulls, in order, until the budget is met; of
    the last part only as far as is needed.

    Parameters
    ----------
    total
        Cycles of the unpruned network, layers that are never pruned included.
    budget
        Most cycles.

    Raises
    ------
    ShiftbookError
        The budget is below what is left when all layers are pruned as far as was measured.
    """
    shares = dict.fromkeys(curves, 1.0)
    left = total - budget
    for step in sorted(_steps(curves), key=lambda step: step.slope):
        if left <= 0:
            break
        part = min(1.0, left / step.saved)
        shares[step.layer] = round(step.begins + part * (step.ends - step.begins), 6)
        left -= part * step.saved
    if left > 0:
        least = budget + left
        raise ShiftbookError(
            f"the budget must be at least {least / total:.3f} of the unpruned network's cycles, not "
            f"{budget / total:.3f}: its layers cannot be pruned further"
        )
    return shares


def _steps(curves: Mapping[str, Curve]) -> list[Step]:
    """The parts of all hulls; those of one layer are in order, since a hull grows steeper."""
    found = []
    for layer, curve in curves.items():
        hull = _hull(curve)
        for a, b in itertools.pairwise(hull):
            saved = curve.cycles[a] - curve.cycles[b]
            slope = (curve.errors[b] - curve.errors[a]) / saved
            found.append(Step(layer, slope, saved, curve.shares[a], curve.shares[b]))
    return found


def _hull(curve: Curve) -> list[int]:
    """Places on the lower convex hull of errors over cycles, from the unpruned one to fewer cycles."""
    hull = [0]
    for i in range(1, len(curve.shares)):
        if curve.cycles[i] >= curve.cycles[hull[-1]]:
            continue  # no cycle is saved
        while len(hull) > 1 and _slope(curve, hull[-2], hull[-1]) >= _slope(curve, hull[-1], i):
            hull.pop()
        hull.append(i)
    return hull


def _slope(curve: Curve, a: int, b: int) -> float:
    return (curve.errors[b] - curve.errors[a]) / (curve.cycles[a] - curve.cycles[b])
