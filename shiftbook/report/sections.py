"""The sections of a report, each only where its results are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from shiftbook.console import Progress
from shiftbook.report.cycles import cycles_plot
from shiftbook.report.modules import gates_plot, memory_plot
from shiftbook.report.pareto import pareto_plot
from shiftbook.report.plot import Plot
from shiftbook.report.reading import Result, Results, short_names
from shiftbook.report.sortable import MOST_ROWS, Sortable, study_table
from shiftbook.report.spent import spent_plot
from shiftbook.report.study import study_plots
from shiftbook.report.summary import best, work
from shiftbook.report.tables import (
    Table,
    comparison_table,
    compression_table,
    engine_table,
    module_table,
)
from shiftbook.report.weights import weights_plot
from shiftbook.results.compare import Comparison
from shiftbook.results.compress import Compression
from shiftbook.results.gates import GateReport
from shiftbook.results.inspect import Inspection
from shiftbook.results.run import Run
from shiftbook.results.sweep import Sweep


@dataclass(frozen=True)
class Part:
    """What one file, or several together, give a section.

    Attributes
    ----------
    sources
        Names of the files.
    small
        Whether the plots are many and small: one for each layer.
    """

    sources: Sequence[str]
    title: str = ""
    lines: Sequence[str] = ()
    plots: Sequence[Plot] = ()
    tables: Sequence[Table] = ()
    sortable: Sequence[Sortable] = ()
    small: bool = False


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    name: str
    title: str
    text: str
    parts: Sequence[Part] = field(default=())


def sections(results: Results, progress: Progress) -> list[Section]:
    """All sections that have something to tell, with their plots drawn."""
    makers: list[tuple[Callable[[Results], Iterator[Part]], Section]] = [
        (_comparisons, Section("pareto", "Accuracy, cost and size", PARETO)),
        (_studies, Section("studies", "Studies", STUDIES)),
        (_gates, Section("gates", "Gates", GATES)),
        (_runs, Section("cycles", "Cycles", CYCLES)),
        (_compressions, Section("compression", "Compression", COMPRESSION)),
        (_inspections, Section("weights", "Weights", WEIGHTS)),
    ]
    found, done = [], 0
    for make, section in makers:
        parts = []
        for part in make(results):
            parts.append(part)
            done += 1
            progress("drawing", min(done, len(results.found)), len(results.found))
        if parts:
            found.append(Section(section.name, section.title, section.text, parts))
    progress("drawing", len(results.found), len(results.found))
    return found


PARETO = (
    "Each checkpoint on that engine on which gates and memories × cycles are least. Filled points are on "
    "the front: no other is as accurate at the same cost. GE are NAND2 equivalents of the engine: logic, and "
    "in the total its memories too. Cycles are those of one image with its bus traffic."
)
STUDIES = (
    "Each point is a network under a compression, on an engine. Blue points are on the front: they keep the "
    "constraints, and no other such point is as good in both. Hollow points miss a constraint."
)
GATES = (
    "Engines of one generator, synthesized and mapped, in NAND2 equivalents (GE). The total has the "
    "memories, as SRAM macros of a published technology or as flip-flops."
)
CYCLES = "Of one image or batch, layer by layer, and what they were spent on."
COMPRESSION = "How checkpoints were made, and what that cost in accuracy, on images that were held out."
WEIGHTS = (
    "The integers that each layer stores. Areas are shares of the weights; those that were pruned to zero "
    "have no bar. The components of a focused layer are drawn as normal densities with their means."
)


def _comparisons(results: Results) -> Iterator[Part]:
    for result, comparison in results.of(Comparison):
        rows = comparison.rows
        lines = [f"{comparison.lanes} lanes."]
        compared = sum(row.compared or 0 for row in rows)
        if compared:
            lines.append(f"Cycles were counted by the RTL: 0 mismatches in {compared:,} integers.")
        known = [row.accuracy is not None for row in rows]
        plots = _pareto_plots(result, comparison) if any(known) else []
        if not all(known):
            lines.append("Without an accuracy (compare had no labelled images) there is no point in a plot.")
        table = comparison_table(comparison, rows.index(best(rows)))
        yield Part([result.file], lines=lines, plots=plots, tables=[table])


def _pareto_plots(result: Result, comparison: Comparison) -> list[Plot]:
    names = short_names(row.checkpoint for row in comparison.rows)
    found = [
        (name, row, row.accuracy)
        for name, row in zip(names, comparison.rows, strict=True)
        if row.accuracy is not None
    ]
    named = [name for name, _, _ in found]
    whole = all(row.whole_ge is not None for row in comparison.rows)
    cost = [(work(row), accuracy) for _, row, accuracy in found]
    size = [(-(-row.stored_bits // 8), accuracy) for _, row, accuracy in found]
    return [
        pareto_plot(
            f"{result.slug}.accuracy-gates-cycles",
            "Accuracy against total × cycles" if whole else "Accuracy against gates × cycles",
            "GE × cycles per image",
            cost,
            named,
        ),
        pareto_plot(
            f"{result.slug}.accuracy-bytes", "Accuracy against stored bytes", "stored bytes", size, named
        ),
    ]


def _studies(results: Results) -> Iterator[Part]:
    for result, study in results.of(Sweep):
        failed = sum(point.error is not None for point in study.points)
        front = sum(point.front for point in study.points)
        bounds = [
            f"{name} {word} {bound:g}"
            for name, limits in study.constraints.items()
            for word, bound in (("at least", limits.at_least), ("at most", limits.at_most))
            if bound is not None
        ]
        lines = [
            f"{len(study.points):,} points, {front:,} on the front, {failed:,} failed.",
            f"Search: {study.search}, seed {study.seed}.",
            *([f"Constraints: {', '.join(bounds)}."] if bounds else []),
            *([f"The table has {MOST_ROWS:,} of them."] if len(study.points) > MOST_ROWS else []),
        ]
        plots, table = study_plots(study, result.slug), study_table(study, result.slug)
        yield Part([result.file], study.study, lines, plots, sortable=[table])


def _gates(results: Results) -> Iterator[Part]:
    for result, gates in results.of(GateReport):
        drawn = gates_plot(gates, result.slug), memory_plot(gates, result.slug)
        plots = [plot for plot in drawn if plot is not None]
        lines = [f"Weights of gates: {gates.weights}."]
        lines += [f"Memories: {gates.memories}."] if gates.memories else []
        yield Part([result.file], lines=lines, plots=plots, tables=[engine_table(gates), module_table(gates)])


def _runs(results: Results) -> Iterator[Part]:
    for result, run in results.of(Run):
        (name,) = short_names([run.checkpoint])
        images = {0: "no images", 1: "1 image"}.get(run.images, f"{run.images:,} images")
        lines = [
            f"{run.lanes} lanes, preset {run.preset}, {images}" + _share(", accuracy", run.accuracy) + "."
        ]
        if run.cycles is not None and run.utilization is not None:
            each = "image" if run.batch is None else f"batch of {run.batch.images}"
            lines.append(f"{run.cycles:,} cycles per {each}, utilization {100 * run.utilization:.1f} %.")
        if run.compared:
            lines.append(f"{run.mismatches:,} mismatches in {run.compared:,} integers.")
        drawn = cycles_plot(run, result.slug), spent_plot(run, result.slug)
        plots = [plot for plot in drawn if plot is not None]
        if not plots:
            lines.append(
                "No cycles by layer: the engine does not run this network, or the file does not tell."
            )
        yield Part([result.file], name, lines, plots)


def _share(label: str, share: float | None) -> str:
    return "" if share is None else f"{label} {100 * share:.2f} %"


def _compressions(results: Results) -> Iterator[Part]:
    found = results.of(Compression)
    if found:
        files, contents = zip(*((result.file, content) for result, content in found), strict=True)
        yield Part(files, tables=[compression_table(contents)])


def _inspections(results: Results) -> Iterator[Part]:
    for result, inspection in results.of(Inspection):
        (name,) = short_names([inspection.checkpoint])
        line = (
            f"{inspection.weights:,} weights in {-(-inspection.stored_bits // 8):,} bytes: "
            f"{inspection.bits_per_weight:.3f} bits per weight, "
            f"ratio {inspection.ratio:.2f}× to 32-bit floats."
        )
        layers = enumerate(inspection.layers, 1)
        plots = [weights_plot(layer, number, result.slug) for number, layer in layers]
        yield Part([result.file], name, [line], plots, small=True)
