"""Names beside the points of a plot, where they cover neither each other nor a point."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

Point = tuple[float, float]

GAP = 7.0
"""Points between a point and its name."""

MARKER = 9.0
"""Half of the room that a point takes, in which no name of another one belongs."""

PLACES = (
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
    corners = axes.transData.transform(line)
    taken = [
        Bbox.from_extents(min(a[0], b[0]) - 1, min(a[1], b[1]) - 1, max(a[0], b[0]) + 1, max(a[1], b[1]) + 1)
        for a, b in itertools.pairwise(corners)
    ]
    for i, (point, name, colour) in enumerate(zip(points, names, colours, strict=True)):
        tried = [_annotate(axes, point, name, colour, place) for place in range(len(PLACES))]
        boxes = [label.get_window_extent() for label in tried]
        there = [*taken, *markers[:i], *markers[i + 1 :]]
        costs = [_covered(box, there) + _outside(box, inside) for box in boxes]
        best = costs.index(min(costs))
        taken.append(boxes[best])
        for label in itertools.chain(tried[:best], tried[best + 1 :]):
            label.remove()


def _annotate(axes: Axes, point: Point, name: str, colour: str, place: int) -> Annotation:
    right, up, horizontal, vertical = PLACES[place]
    label = axes.annotate(
        name,
        point,
        (right, up),
        textcoords="offset points",
        ha=horizontal,
        va=vertical,
        color=colour,
        fontsize=10.5,
    )
    label.set_in_layout(False)
    return label


def _covered(box: Bbox, taken: Sequence[Bbox]) -> float:
    """Area that a box has in common with those that are there."""
    common = (Bbox.intersection(box, other) for other in taken)
    return sum(shared.width * shared.height for shared in common if shared is not None)


def _outside(box: Bbox, inside: Bbox) -> float:
    """Area of a box that would be cut off."""
    common = Bbox.intersection(box, inside)
    return box.width * box.height - (0.0 if common is None else common.width * common.height)
