"""What a report says first: the best point, what engines cost, whether RTL and model agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shiftbook.report.reading import Results, short_names
from shiftbook.results.compare import Comparison, Row
from shiftbook.results.gates import GateReport
from shiftbook.results.run import Run

BASELINE = "int8"
"""The scheme and the engine that figures are relative to, where they are there."""

MARGIN = 0.01
"""Accuracy that the best point may lose to the baseline."""


@dataclass(frozen=True)
class Fact:
    """A figure in large print and what it is."""

    figure: str
    what: str
    detail: str


def baseline(rows: Sequence[Row]) -> Row:
    """The int8 checkpoint on the int8 engine, else the first row."""
    int8 = (row for row in rows if row.scheme == BASELINE and row.engine == BASELINE)
    return next(int8, rows[0])


def work(row: Row) -> float:
    """GE times cycles of a row: with memories where it knows them."""
    return (row.ge if row.whole_ge is None else row.whole_ge) * row.cycles


def best(rows: Sequence[Row]) -> Row:
    """The row with the least GE times cycles of those about as accurate as the baseline.

    Without accuracies, of all.
    """
    base = baseline(rows)
    if base.accuracy is None:
        return min(rows, key=work)
    # Shares of whole images: nine digits tell them apart and hide how floats round.
    good = [row for row in rows if round(base.accuracy - (row.accuracy or 0.0), 9) <= MARGIN]
    return min(good, key=work)


def facts(results: Results) -> list[Fact]:
    """The figures of all results, in the order of the page."""
    found = [fact for _, each in results.of(Comparison) for fact in _compared(each)]
    found += [_engines(each) for _, each in results.of(GateReport) if len(each.engines) > 1 and each.ratios]
    runs = [run for _, run in results.of(Run) if run.compared]
    return [*found, _verified(runs)] if runs else found


def _compared(comparison: Comparison) -> list[Fact]:
    rows = comparison.rows
    names = short_names(row.checkpoint for row in rows)
    base, chosen = baseline(rows), best(rows)
    if len(rows) < 2 or not work(base) or not base.stored_bits:
        return []
    base_name, name = names[rows.index(base)], names[rows.index(chosen)]
    whole = chosen.whole_ge is not None and base.whole_ge is not None
    found = [
        Fact(
            f"{work(chosen) / work(base):.3g}×",
            f"{'logic and memories' if whole else 'gates'} × cycles of {base_name}",
            f"{name} on the {chosen.engine} engine"
            + ("" if base.accuracy is None else f", the least within {100 * MARGIN:.0f} point of accuracy"),
        )
    ]
    if chosen.accuracy is not None and base.accuracy is not None:
        images = f" on {chosen.images:,} images" if chosen.images else ""
        detail = f"{base_name} has {100 * base.accuracy:.2f} %"
        found.append(Fact(f"{100 * chosen.accuracy:.2f} %", f"accuracy of {name}{images}", detail))
    size = f"{_bytes(chosen):,} of {_bytes(base):,} bytes"
    found.append(Fact(f"{chosen.stored_bits / base.stored_bits:.3g}×", f"stored bytes of {base_name}", size))
    return found


def _bytes(row: Row) -> int:
    return -(-row.stored_bits // 8)


def _engines(gates: GateReport) -> Fact:
    """The smallest engine, with its memories where they are known."""
    known = all(ratio.whole is not None for ratio in gates.ratios.values())
    size = {name: (ratio.whole if known else ratio.total) or 0.0 for name, ratio in gates.ratios.items()}
    name = min(size, key=lambda engine: size[engine])
    ratio = gates.ratios[name]
    what = f"{'logic and memories' if known else 'gates'} of the {BASELINE} engine: {name}"
    logic = f"its logic is {ratio.total:.3g}×, " if known else ""
    return Fact(f"{size[name]:.3g}×", what, f"{logic}its lane {'' if known else 'is '}{ratio.lane:.3g}×")


def _verified(runs: Sequence[Run]) -> Fact:
    compared = sum(run.compared or 0 for run in runs)
    names = ", ".join(short_names(run.checkpoint for run in runs))
    mismatches = sum(run.mismatches or 0 for run in runs)
    return Fact(
        f"{mismatches:,}", "mismatches between RTL and model", f"{compared:,} integers compared: {names}"
    )
