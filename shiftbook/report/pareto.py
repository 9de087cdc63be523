"""Accuracy against a cost: every checkpoint a point, and the front of those that none beats in both."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter

from shiftbook.report.labels import Point, name_points
from shiftbook.report.palette import ACCENT, CARD, INK, MUTED, light
from shiftbook.report.plot import Plot, new_figure, settle

WIDTH, HEIGHT = 380, 310


def front(points: Sequence[Point]) -> list[int]:
    """Indices of the points (cost, accuracy) that no other beats, by rising cost.

    A point is beaten by one that costs no more and is no less accurate, unless both are the same.
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1], i))
    found: list[int] = []
    for i in order:
        if not found or points[i][1] > points[found[-1]][1] or points[i] == points[found[-1]]:
            found.append(i)
    return found


def _stairs(corners: Sequence[Point]) -> list[Point]:
    """From each point to the right, then up to the next."""
    between = [(after[0], before[1]) for before, after in itertools.pairwise(corners)]
    return [corners[0], *itertools.chain(*zip(between, corners[1:], strict=True))]


def pareto_plot(name: str, title: str, axis: str, points: Sequence[Point], names: Sequence[str]) -> Plot:
    """Draw points (cost, accuracy) with their names, and the front as stairs.

    Parameters
    ----------
    axis
        What the cost is, with its unit.
    """
    figure, axes = new_figure(WIDTH, HEIGHT)
    on_front = front(points)
    stairs = [points[i] for i in on_front]
    costs, accuracies = zip(*points, strict=True)
    right = 1.12 * max(costs) or 1.0
    room = max(0.12 * (max(accuracies) - min(accuracies)), 0.002)
    axes.set_xlim(0, right)
    axes.set_ylim(min(accuracies) - room, max(accuracies) + room)
    line = _stairs([*stairs, (right, stairs[-1][1])])
    axes.plot(*zip(*line, strict=True), color=light(ACCENT), linewidth=1.2, alpha=0.6)
    for i, point in enumerate(points):
        inner = light(ACCENT) if i in on_front else light(CARD)
        outer = light(ACCENT) if i in on_front else light(MUTED)
        axes.plot(
            *point, "o", markersize=8, color=inner, markeredgecolor=outer, markeredgewidth=1.4, zorder=3
        )
    axes.grid(True)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.set_xlabel(axis)
    axes.set_ylabel("accuracy")
    colours = [light(INK) if i in on_front else light(MUTED) for i in range(len(points))]
    settle(figure)
    name_points(axes, points, names, colours, line)
    named = ", ".join(names[i] for i in on_front)
    return Plot(name, title, figure, f"On the front: {named}.")
