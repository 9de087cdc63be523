"""The tables of a report: heads and cells of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shiftbook.report.reading import short_names
from shiftbook.results.compare import Comparison
from shiftbook.results.compress import Compression
from shiftbook.results.gates import GateReport


@dataclass(frozen=True)
class Table:
    """A table; the first column is text, the others are numbers.

    Attributes
    ----------
    marked
        Index of a row that stands out, or None.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: int | None = None


def comparison_table(comparison: Comparison, best: int) -> Table:
    """The checkpoints side by side."""
    head = ["checkpoint", "scheme", "engine", "accuracy", "total × cycles", "logic × cycles", "cycles"]
    head += ["total, GE", "logic, GE"]
    head += ["stored bytes", "moved bytes", "density", "weights", "MACs"]
    names = short_names(row.checkpoint for row in comparison.rows)
    rows = [
        (
            name,
            row.scheme,
            row.engine,
            _percent(row.accuracy),
            "–" if row.whole_relative is None else f"{row.whole_relative:.3f}",
            f"{row.relative:.3f}",
            f"{row.cycles:,}",
            "–" if row.whole_ge is None else f"{row.whole_ge:,.0f}",
            f"{row.ge:,.0f}",
            f"{-(-row.stored_bits // 8):,}",
            f"{row.moved_bytes:,}",
            f"{row.density:.3f}",
            f"{row.weights:,}",
            f"{row.macs:,}",
        )
        for name, row in zip(names, comparison.rows, strict=True)
    ]
    return Table("Checkpoints side by side", head, rows, best)


def engine_table(gates: GateReport) -> Table:
    """One row an engine."""
    head = [
        "engine",
        "total, GE",
        "× int8",
        "logic, GE",
        "× int8",
        "lane, GE",
        "× int8",
        "GE per lane",
        "GE per term",
        "memory bits",
    ]
    area = gates.liberty is not None
    head += [f"total area, cells of {gates.liberty}", "logic", "slowest, ps"] if area else []
    rows = []
    for name, engine in gates.engines.items():
        ratio = gates.ratios.get(name)
        row = [
            name,
            _figure(engine.whole_ge),
            "" if ratio is None else _figure(ratio.whole, 2),
            f"{engine.total_ge:,.0f}",
            "" if ratio is None else f"{ratio.total:.2f}",
            f"{engine.lane_ge:,.0f}",
            "" if ratio is None else f"{ratio.lane:.2f}",
            f"{engine.ge_per_lane:,.0f}",
            f"{engine.ge_per_term:,.0f}",
            f"{engine.memory_bits:,}",
        ]
        cells = [_figure(engine.whole_area), _figure(engine.total_area, 1), _figure(engine.delay)]
        row += cells if area else []
        rows.append(row)
    return Table("Engines", head, rows)


def module_table(gates: GateReport) -> Table:
    """One row a module, the most expensive first: gates of all instances, and how many these are."""
    engines = list(gates.engines.values())
    largest: dict[str, float] = {}
    for engine in engines:
        for name, module in engine.modules.items():
            largest[name] = max(largest.get(name, 0.0), module.total_ge)
    rows = []
    for name in sorted(largest, key=lambda each: -largest[each]):
        modules = [engine.modules.get(name) for engine in engines]
        cells = ["" if each is None else f"{each.total_ge:,.0f} ({each.instances})" for each in modules]
        rows.append([name, *cells])
    return Table("GE by module (instances)", ["module", *gates.engines], rows)


def compression_table(compressions: Sequence[Compression]) -> Table:
    """One row a checkpoint that was made."""
    head = ["checkpoint", "source", "scheme", "bits", "density", "epochs", "seed", "float accuracy"]
    head += ["accuracy", "images", "ratio", "bits per weight", "stored bytes"]
    names = short_names(each.checkpoint for each in compressions)
    rows = [
        (
            name,
            each.source,
            each.scheme,
            "" if each.bits is None else f"{each.bits}",
            f"{each.density:g}",
            f"{each.epochs}",
            f"{each.seed}",
            _percent(each.float_accuracy),
            _percent(each.accuracy),
            f"{each.images:,}",
            f"{each.ratio:.2f}×",
            f"{each.bits_per_weight:.3f}",
            f"{-(-each.stored_bits // 8):,}",
        )
        for name, each in zip(names, compressions, strict=True)
    ]
    return Table("Compressed networks", head, rows)


def _figure(value: float | None, places: int = 0) -> str:
    return "" if value is None else f"{value:,.{places}f}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f} %"
