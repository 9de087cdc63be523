"""A study: its fronts in each pair of objectives, its points as lines, and how the search went."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from shiftbook.report.palette import ACCENT, CARD, INK, MUTED, light
from shiftbook.report.plot import Plot, new_figure, settle
from shiftbook.results.sweep import StudyPoint, Sweep
from shiftbook.study.front import on_front

PAIR = (380, 310)
WIDE = (780, 300)
"""Widths and heights in pixels of the page."""

MOST_PAIRS = 6
"""Plots of two objectives; the table has all values."""

MOST_LINES = 600
"""Points that are drawn as lines, those on the front always among them."""

SHARES = ("accuracy", "float_accuracy", "lost", "density")
"""Measures that are shown in percent."""


def study_plots(study: Sweep, slug: str) -> list[Plot]:
    """All plots of a study; none where no point has values."""
    known = [point for point in study.points if point.error is None]
    if not known:
        return []
    pairs = list(itertools.combinations(study.objectives, 2))[:MOST_PAIRS]
    plots = [_pair(study, known, cost, good, slug) for good, cost in pairs]
    return [*plots, _lines(study, known, slug), _growth(study, slug)]


def _pair(study: Sweep, known: Sequence[StudyPoint], x: str, y: str, slug: str) -> Plot:
    """Two objectives: every point, and the front of those that keep the constraints."""
    figure, axes = new_figure(*PAIR)
    values = np.array([[point.values[name] for name in (x, y)] for point in known], np.float64)
    signs = np.array([1.0 if study.objectives[name] == "min" else -1.0 for name in (x, y)])
    feasible = np.array([point.feasible for point in known])
    best = np.zeros(len(known), bool)
    best[feasible] = on_front(values[feasible] * signs)
    for chosen, inner, outer in ((~feasible, CARD, MUTED), (feasible & ~best, MUTED, MUTED)):
        axes.plot(*values[chosen].T, "o", markersize=5, color=light(inner), markeredgecolor=light(outer))
    stairs = values[best][np.argsort(values[best][:, 0], kind="stable")]
    axes.step(*stairs.T, where="post", color=light(ACCENT), linewidth=1.2, alpha=0.6)
    axes.plot(*stairs.T, "o", markersize=7, color=light(ACCENT))
    axes.grid(True)
    for axis, name in ((axes.xaxis, x), (axes.yaxis, y)):
        axis.set_major_locator(MaxNLocator(5))
        axis.set_major_formatter(PercentFormatter(1.0, symbol=" %") if name in SHARES else EngFormatter())
    axes.set_xlabel(_label(study, x))
    axes.set_ylabel(_label(study, y))
    settle(figure)
    numbers = ", ".join(str(point.number) for point, on in zip(known, best, strict=True) if on)
    title = f"{_words(y)} and {_words(x)}"
    return Plot(f"{slug}.{y}-{x}", title, figure, f"On the front: {numbers or 'no point'}.")


def _words(name: str) -> str:
    return name.replace("_", " ").replace("gate cycles", "gates × cycles")


def _label(study: Sweep, name: str) -> str:
    return f"{_words(name)} ({'more' if study.objectives[name] == 'max' else 'less'} is better)"


def _lines(study: Sweep, known: Sequence[StudyPoint], slug: str) -> Plot:
    """Parallel coordinates: each point a line through what was chosen and what came of it."""
    drawn = sorted(known, key=lambda point: not point.front)[:MOST_LINES]
    names, columns, ends = _axes(drawn, list(study.objectives))
    figure, axes = new_figure(*WIDE)
    places = [float(place) for place in range(len(names))]
    for point, line in sorted(zip(drawn, columns.T, strict=True), key=lambda pair: pair[0].front):
        colour, alpha = (ACCENT, 0.9) if point.front else (MUTED, 0.25)
        axes.plot(places, line, color=light(colour), alpha=alpha, linewidth=1.1)
    for place, (low, high) in zip(places, ends, strict=True):
        axes.axvline(place, color=light(MUTED), linewidth=0.6)
        axes.text(place, -0.04, low, ha="center", va="top", fontsize=9, color=light(MUTED))
        axes.text(place, 1.04, high, ha="center", va="bottom", fontsize=9, color=light(MUTED))
    axes.set_ylim(-0.14, 1.14)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_xticks(places, [_words(name) for name in names], color=light(INK), fontsize=10)
    settle(figure)
    left = f" {len(drawn):,} of {len(known):,} points." if len(drawn) < len(known) else ""
    return Plot(f"{slug}.lines", "Each point as a line", figure, f"Those on the front stand out.{left}")


def _axes(
    points: Sequence[StudyPoint], objectives: Sequence[str]
) -> tuple[list[str], NDArray[np.float64], list[tuple[str, str]]]:
    """Options that differ among points, then objectives: names, places [axes, points] in 0..1, and ends."""
    choices: list[tuple[str, list[Any]]] = []
    options = [{"network": point.network, **point.compression, **point.engine} for point in points]
    for name in dict.fromkeys(name for each in options for name in each):
        values = [_plain(each.get(name)) for each in options]
        if len({repr(value) for value in values}) > 1:
            choices.append((name, values))
    choices += [(name, [point.values[name] for point in points]) for name in objectives]
    scaled = [_scaled(values) for _, values in choices]
    return [name for name, _ in choices], np.array([s[0] for s in scaled]), [s[1] for s in scaled]


def _plain(value: Any) -> Any:
    """A number, or a text for what is none; an option that a point does not have is the default."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return "default" if value is None else str(value)


def _scaled(values: Sequence[Any]) -> tuple[NDArray[np.float64], tuple[str, str]]:
    """Values in 0..1 and what the ends are; texts are spread in the order of the alphabet."""
    if all(isinstance(value, int | float) for value in values):
        numbers = np.array(values, np.float64)
        low, high = numbers.min(), numbers.max()
        place = (numbers - low) / (high - low) if high > low else np.full(len(numbers), 0.5)
        return place, (f"{low:,.4g}", f"{high:,.4g}")
    kinds = sorted({str(value) for value in values})
    place = np.array([kinds.index(str(value)) for value in values]) / max(1, len(kinds) - 1)
    return place, (kinds[0][:14], kinds[-1][:14])


def _growth(study: Sweep, slug: str) -> Plot:
    """The hypervolume after each point."""
    figure, axes = new_figure(*WIDE)
    axes.step(range(1, len(study.hypervolume) + 1), study.hypervolume, where="post", color=light(ACCENT))
    axes.grid(True)
    axes.set_xlabel("points")
    axes.set_ylabel("hypervolume")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    settle(figure)
    note = f"{study.hypervolume[-1]:.3f} of the space between the best and the worst values is dominated."
    return Plot(f"{slug}.hypervolume", "Hypervolume as the search went on", figure, note)


def shown(name: str, value: float | None) -> str:
    """A value in a table."""
    if value is None:
        return "–"
    if name in SHARES:
        return f"{100 * value:.2f} %"
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:,.4g}"


def options_of(point: StudyPoint) -> Mapping[str, Any]:
    """What was chosen, in one mapping."""
    return {"network": point.network, **point.compression, **point.engine}
