"""Which ranks each layer gets under a budget of weights or products.

Every layer offers *points*: ranks, what they cost, and what they do wrong. A point that the layer's convex
hull passes by is never worth its cost. The points of all layers together are then taken in the order of
what they save for what they do wrong, until the budget is met: the best there is for these points, but for
the last one taken. A layer starts dense, and stays so until its first point is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from shiftbook.frontend.tensor_train.decompose import project, spectra
from shiftbook.frontend.tensor_train.modes import Modes, Ranks
from shiftbook.golden.errors import ShiftbookError

Cost = Callable[[Ranks | None], int]
"""What a layer costs with these ranks; None is the dense layer."""


@dataclass(frozen=True)
class Candidate:
    """A layer that may be decomposed.

    Members
    -------
    weight : [O, I, kh, kw]
    modes : how its channels are split
    cost : in the unit of the budget
    """

    weight: Tensor
    modes: Modes
    cost: Cost


@dataclass(frozen=True)
class Point:
    """Ranks (None: dense), what they cost, and the harm that they do."""

    ranks: Ranks | None
    cost: int
    harm: float


def path(candidate: Candidate) -> list[Point]:
    """The dense layer, and the ranks that keep all singular values above a threshold, for every threshold.

    The harm is the sum of the squares of the singular values that are lost at all bonds, over that of all
    weights: a batch norm takes no notice of the weights' size. One threshold for all bonds of a layer keeps
    them in step; lowering the ranks one by one where it saves most ends in trains of one wide and one
    narrow bond.
    """
    values = spectra(candidate.weight, candidate.modes)
    total = float(values[0].square().sum()) or 1.0
    dense = candidate.cost(None)
    points: dict[Ranks | None, Point] = {None: Point(None, dense, 0.0)}
    for threshold in torch.cat(values).unique().tolist():
        ranks = candidate.modes.reachable([int((bond >= threshold).sum()) for bond in values])
        if ranks not in points and (cost := candidate.cost(ranks)) < dense:
            lost = sum(float(bond[rank:].square().sum()) for bond, rank in zip(values, ranks, strict=True))
            points[ranks] = Point(ranks, cost, lost / total)
    return list(points.values())


def hull(points: Sequence[Point]) -> list[Point]:
    """The points that a convex hull from below touches, the most expensive first."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (-p.cost, p.harm)):
        if kept and point.cost == kept[-1].cost:
            continue
        while len(kept) > 1 and _slope(kept[-2], kept[-1]) >= _slope(kept[-2], point):
            kept.pop()
        if len(kept) == 1 and point.harm <= kept[0].harm:
            kept.pop()
        kept.append(point)
    return kept


def _slope(a: Point, b: Point) -> float:
    """Harm for what is saved from ``a`` to ``b``."""
    return (b.harm - a.harm) / (a.cost - b.cost)


def allot(offers: Mapping[str, Sequence[Point]], budget: int, fixed: int = 0) -> dict[str, Point]:
    """The points, one a layer, with little harm that together cost at most ``budget``.

    Parameters
    ----------
    offers
        By layer.
    fixed
        What the rest of the network costs.

    Raises
    ------
    ShiftbookError
        The cheapest points of all layers cost more.
    """
    hulls = {name: hull(points) for name, points in offers.items()}
    chosen = {name: points[0] for name, points in hulls.items()}
    steps = [(_slope(a, b), name, b) for name, points in hulls.items() for a, b in pairwise(points)]
    cost = fixed + sum(point.cost for point in chosen.values())
    for _, name, point in sorted(steps, key=lambda step: (step[0], step[1], -step[2].cost)):
        if cost <= budget:
            break
        cost -= chosen[name].cost - point.cost
        chosen[name] = point
    if cost > budget:
        raise ShiftbookError(
            f"the least that ranks of 1 leave is {cost:,}, more than the budget of {budget:,}"
        )
    return chosen


def largest_values(candidates: Mapping[str, Candidate], budget: int, fixed: int = 0) -> dict[str, Point]:
    """The baseline: keep the largest singular values of all layers, whatever they cost."""
    values = {name: spectra(c.weight, c.modes) for name, c in candidates.items()}

    def above(threshold: float) -> dict[str, Point]:
        chosen = {}
        for name, candidate in candidates.items():
            ranks = candidate.modes.reachable(int((bond > threshold).sum()) for bond in values[name])
            points = [Point(r, candidate.cost(r), 0.0) for r in (None, ranks)]
            chosen[name] = min(points, key=lambda point: point.cost)
        return chosen

    thresholds = sorted({float(v) for bonds in values.values() for bond in bonds for v in bond})
    low, high = -1, len(thresholds) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if fixed + sum(p.cost for p in above(thresholds[middle]).values()) <= budget:
            high = middle
        else:
            low = middle
    chosen = above(thresholds[high])
    cost = fixed + sum(point.cost for point in chosen.values())
    if cost > budget:
        raise ShiftbookError(
            f"the least that ranks of 1 leave is {cost:,}, more than the budget of {budget:,}"
        )
    return chosen


POINTS = 8
"""Points of a layer whose harm is measured on images."""


def measured(
    candidates: Mapping[str, Candidate],
    scores: Callable[[], Tensor],
    progress: Callable[[str, int, int], None],
) -> dict[str, list[Point]]:
    """Points with the harm that each does alone to the network's scores: the mean squared change.

    Parameters
    ----------
    candidates
        Their weights are those of the network, and are changed and put back.
    scores
        Runs the network.
    """
    wanted, offers = scores(), {}
    for done, (name, candidate) in enumerate(candidates.items()):
        points = path(candidate)
        some = points[:1] + _spread(points[1:], POINTS)
        before = candidate.weight.detach().clone()
        for i, point in enumerate(some[1:], 1):
            assert point.ranks is not None
            with torch.no_grad():
                candidate.weight.copy_(project(before, candidate.modes, point.ranks))
                some[i] = replace(point, harm=float((scores() - wanted).square().mean()))
                candidate.weight.copy_(before)
        offers[name] = some
        progress("measuring ranks", done + 1, len(candidates))
    return offers


def _spread(points: Sequence[Point], count: int) -> list[Point]:
    """About ``count`` points whose costs are in equal ratios."""
    if len(points) <= count:
        return list(points)
    first, last = points[0].cost, points[-1].cost
    wanted = [first * (last / first) ** (i / (count - 1)) for i in range(count)]
    return list(dict.fromkeys(min(points, key=lambda p: abs(p.cost - cost)) for cost in wanted))
