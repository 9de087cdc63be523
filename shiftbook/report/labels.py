"""Names beside the points of a plot, where they cover neither each other nor a point."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

Point = tuple[float, float]
Place = tuple[float, float, Literal["left", "center", "right"], Literal["bottom", "center", "top"]]

GAP = 7.0
"""Points between a point and its name."""

MARKER = 9.0
"""Half of the room that a point takes, in which no name of another one belongs."""

PLACES: tuple[Place, ...] = (
    (GAP, 0.0, "left", "center"),
    (-GAP, 0.0, "right", "center"),
    (0.0, GAP, "center", "bottom"),
    (0.0, -GAP, "center", "top"),
    (GAP, GAP, "left", "bottom"),
    (GAP, -GAP, "left", "top"),
    (-GAP, GAP, "right", "bottom"),
    (-GAP, -GAP, "right", "top"),
    (GAP, 2.5 * GAP, "left", "bottom"),
    (GAP, -2.5 * GAP, "left", "top"),
    (-GAP, 2.5 * GAP, "right", "bottom"),
    (-GAP, -2.5 * GAP, "right", "top"),
)
"""Offsets and alignments, the best first."""


def name_points(
    axes: Axes, points: Sequence[Point], names: Sequence[str], colours: Sequence[str], line: Sequence[Point]
) -> None:
    """Name the points one after another, each in the first place that covers least of what is there.

    The limits of the axes and their place in the figure must be final.

    Parameters
    ----------
    line
        Corners of stairs that are drawn too; names keep off them where they can.
    """
    inside = axes.get_window_extent()
    places = axes.transData.transform(points)
    markers = [Bbox.from_extents(x - MARKER, y - MARKER, x + MARKER, y + MARKER) for x, y in places]
    taken = [_thick(a, b) for a, b in itertools.pairwise(axes.transData.transform(line))]
    for i, (point, name, colour) in enumerate(zip(points, names, colours, strict=True)):
        label = axes.annotate(name, point, (0, 0), textcoords="offset points", color=colour, fontsize=10.5)
        label.set_in_layout(False)
        size = label.get_window_extent()
        boxes = [_box(places[i], (size.width, size.height), place) for place in PLACES]
        there = [*taken, *markers[:i], *markers[i + 1 :]]
        costs = [_covered(box, there) + _outside(box, inside) for box in boxes]
        best = costs.index(min(costs))
        right, up, horizontal, vertical = PLACES[best]
        label.set(position=(right, up), ha=horizontal, va=vertical)
        taken.append(boxes[best])


def _box(point: Point, size: Point, place: Place) -> Bbox:
    """Where a text of that size would be; a point of text is a pixel (see `shiftbook.report.plot.POINTS`)."""
    (width, height), (right, up, horizontal, vertical) = size, place
    left = point[0] + right - {"left": 0.0, "center": 0.5, "right": 1.0}[horizontal] * width
    bottom = point[1] + up - {"bottom": 0.0, "center": 0.5, "top": 1.0}[vertical] * height
    return Bbox.from_bounds(left, bottom, width, height)


def _thick(a: Point, b: Point) -> Bbox:
    """A line along an axis, as an area."""
    return Bbox.from_extents(
        min(a[0], b[0]) - 1, min(a[1], b[1]) - 1, max(a[0], b[0]) + 1, max(a[1], b[1]) + 1
    )


def _covered(box: Bbox, taken: Sequence[Bbox]) -> float:
    """Area that a box has in common with those that are there."""
    common = (Bbox.intersection(box, other) for other in taken)
    return sum(shared.width * shared.height for shared in common if shared is not None)


def _outside(box: Bbox, inside: Bbox) -> float:
    """Area of a box that would be cut off."""
    common = Bbox.intersection(box, inside)
    return box.width * box.height - (0.0 if common is None else common.width * common.height)
