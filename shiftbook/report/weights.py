"""The integer weights of a layer, the components of a focused one, and the codebook's levels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from shiftbook.report.palette import INK, light
from shiftbook.report.plot import Plot, new_figure
from shiftbook.results.inspect import Component, Layer

WIDTH, HEIGHT = 172, 126
BARS, COMPONENTS, LEVELS = "blue", "rose", "grey"
REACH = 4.0
"""Standard deviations of a component that are drawn."""

RUG = -0.09
"""Where the levels are, in heights of the axes."""

Cell = tuple[float, float]


def weights_plot(layer: Layer, number: int, slug: str) -> Plot:
    """Draw one layer: the share of its weights a step, so that areas are shares at uneven levels too."""
    figure, axes = new_figure(WIDTH, HEIGHT)
    drawn = [(v, n) for v, n in zip(layer.integers, layer.counts, strict=True) if v or layer.gapless]
    if drawn:
        _draw_bars(axes, [value for value, _ in drawn], [count for _, count in drawn], layer.gapless)
    for component in layer.components or ():
        _draw_component(axes, component)
    _draw_levels(axes, layer.levels)
    axes.set_title(layer.name, loc="left", fontsize=11, color=light(INK))
    axes.set_ylim(bottom=0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.tick_params(axis="x", labelsize=10, pad=11)
    return Plot(f"{slug}.weights-{number:03}", f"{layer.name}: integer weights", figure, describe(layer))


def describe(layer: Layer) -> str:
    """The layer in a line."""
    parts = [layer.scheme, f"{layer.weights:,} weights", f"{100 * (1 - layer.density):.0f} % zero"]
    parts.append(f"{layer.stored_bits / max(layer.weights, 1):.2f} bits per weight")
    if layer.components is not None:
        parts.append(", ".join(f"{c.mean:+.1f} ± {c.sigma:.1f}" for c in layer.components))
    if layer.mixture is not None:
        parts.append(f"separation {layer.mixture.separation:.2f}")
    return " · ".join(parts)


def cells(values: Sequence[int], across: bool) -> list[Cell]:
    """The range of the numbers next to each value, whose share of the weights its bar's area is.

    A border lies halfway between neighbours; at both ends a cell is as far out as in.

    Parameters
    ----------
    values
        Ascending.
    across
        Whether -1 and 1 are neighbours; where zeros are pruned, weights near 0 belong to neither.
    """
    if not across:
        sides = [v for v in values if v < 0], [v for v in values if v > 0]
        inner = [cells(side, True) for side in sides]
        return [(low, min(high, 0.0)) for low, high in inner[0]] + [
            (max(low, 0.0), high) for low, high in inner[1]
        ]
    borders = [(a + b) / 2 for a, b in itertools.pairwise(values)]
    if not borders:
        return [(value - 0.5, value + 0.5) for value in values]
    first, last = 2 * values[0] - borders[0], 2 * values[-1] - borders[-1]
    return list(itertools.pairwise([first, *borders, last]))


def _draw_bars(axes: Axes, values: Sequence[int], counts: Sequence[int], across: bool) -> None:
    """One path for all bars: layers have hundreds."""
    total = sum(counts)
    edges: list[float] = []
    heights: list[float] = []
    for (low, high), count in zip(cells(values, across), counts, strict=True):
        if edges and edges[-1] < low:
            heights.append(0.0)
        if not edges or edges[-1] < low:
            edges.append(low)
        edges.append(high)
        heights.append(count / total / (high - low))
    axes.stairs(heights, edges, fill=True, color=light(BARS), linewidth=0)


def _draw_levels(axes: Axes, levels: Sequence[int]) -> None:
    """A tick a level below the axis, all of them one path."""
    x = np.repeat(np.array(levels, float), 3)
    y = np.tile([RUG, RUG + 0.07, np.nan], len(levels))
    below = axes.get_xaxis_transform()
    axes.plot(x, y, color=light(LEVELS), linewidth=0.7, transform=below, clip_on=False)


def _draw_component(axes: Axes, component: Component) -> None:
    """Its normal density times its share, and its mean."""
    mean, sigma = component.mean, component.sigma
    axes.axvline(mean, color=light(COMPONENTS), linewidth=0.9, dashes=(3, 2))
    if sigma > 0:
        x: NDArray[np.float64] = mean + sigma * np.linspace(-REACH, REACH, 81)
        height = component.share / (sigma * np.sqrt(2 * np.pi))
        axes.plot(
            x, height * np.exp(-0.5 * ((x - mean) / sigma) ** 2), color=light(COMPONENTS), linewidth=1.4
        )
