"""Where the lane-slot-cycles of a network and of each layer go."""

from __future__ import annotations

from shiftbook.report.plot import Plot
from shiftbook.report.stacks import stacked_plot
from shiftbook.results.run import Run, Spent

HUES = {
    "useful": "blue",
    "idle": "sand",
    "skips": "plum",
    "slot_wait": "teal",
    "drain": "sky",
    "bus": "rose",
    "fill": "grey",
}
"""Of each part."""

ALL = "all layers"

NOTE = "At the end of each bar: the layer's share of the whole network."


def spent_plot(run: Run, slug: str) -> Plot | None:
    """A bar of 100 % for the whole network and for each layer; None where the file does not tell."""
    told = {layer.name: layer.spent for layer in run.layers if layer.spent is not None}
    if run.spent is None or len(told) < len(run.layers):
        return None
    whole = _total(run.spent)
    rows = [(ALL, run.spent), *told.items()]
    series = {
        part.replace("_", " "): [_percent(getattr(spent, part), _total(spent)) for _, spent in rows]
        for part in HUES
    }
    return stacked_plot(
        f"{slug}.spent",
        "Lane-slot-cycles by layer, by the cycle model",
        [name for name, _ in rows],
        series,
        list(HUES.values()),
        "% of the layer",
        row_height=17,
        note=NOTE,
        ends=[f"{_percent(_total(spent), whole):.1f} %" for _, spent in rows],
    )


def _total(spent: Spent) -> int:
    return sum(getattr(spent, part) for part in HUES)


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0
