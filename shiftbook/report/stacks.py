"""Stacked bars: what each of several things is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, MaxNLocator
from numpy.typing import NDArray

from shiftbook.report.palette import CARD, INK, MUTED, light
from shiftbook.report.plot import Plot, new_figure

WIDTH = 380
LEGEND_COLUMNS = 3
LONGEST_NAME = 22


def stacked_plot(
    name: str,
    title: str,
    rows: Sequence[str],
    series: Mapping[str, Sequence[float]],
    hues: Sequence[str],
    axis: str,
    row_height: float,
    note: str = "",
    ends: Sequence[str] = (),
) -> Plot:
    """Draw a bar a row, from the top down, with a text at its end.

    Parameters
    ----------
    series
        By name: of each row its share, in ``axis``'s unit.
    hues
        Of the series.
    ends
        What stands at the end of each bar, in place of its total.
    """
    legend_rows = -(-len(series) // LEGEND_COLUMNS)
    figure, axes = new_figure(WIDTH, 62 + 19 * legend_rows + row_height * len(rows))
    places = np.arange(len(rows))
    lengths = np.zeros(len(rows))
    for (label, values), hue in zip(series.items(), hues, strict=True):
        parts = np.asarray(values, float)
        axes.barh(
            places,
            parts,
            left=lengths,
            height=0.74,
            color=light(hue),
            label=label,
            edgecolor=light(CARD),
            linewidth=0.7,
        )
        lengths = lengths + parts
    _tell_ends(axes, lengths, ends or [f"{total:,.0f}" for total in lengths])
    _frame(axes, rows, row_height, float(lengths.max()))
    axes.set_xlabel(axis)
    figure.legend(loc="outside upper left", ncols=LEGEND_COLUMNS, borderpad=0.2, columnspacing=1.4)
    return Plot(name, title, figure, note)


def _frame(axes: Axes, rows: Sequence[str], row_height: float, longest: float) -> None:
    """Names of the rows, room for the texts, and a grid to read lengths by."""
    places = range(len(rows))
    axes.set_yticks(places, [_short(row) for row in rows])
    axes.tick_params(axis="y", labelcolor=light(INK), labelsize=10.5 if row_height > 20 else 10)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1.2 * longest or 1.0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.grid(True, axis="x")


def _tell_ends(axes: Axes, lengths: NDArray[np.float64], ends: Sequence[str]) -> None:
    """A text at the end of each bar."""
    for place, (length, text) in enumerate(zip(lengths, ends, strict=True)):
        label = axes.annotate(text, (length, place), (4, 0), textcoords="offset points")
        label.set(va="center", color=light(MUTED), fontsize=10)


def _short(name: str) -> str:
    """The end of a long name, which tells it from others."""
    return name if len(name) <= LONGEST_NAME else "…" + name[-LONGEST_NAME + 1 :]
