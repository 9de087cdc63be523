"""`shiftbook gates`: what the engine and its rivals cost in logic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from golden.errors import ShiftbookError
from shiftbook.console import print_rich, progress_bar
from shiftbook.files import check_writable, write_json
from shiftbook.options import Json, Lanes, make_spec

if TYPE_CHECKING:
    from rich.console import RenderableType

    from synth.measure import Progress


def gates(
    lanes: Lanes = "8x8",
    liberty: Annotated[
        list[Path] | None,
        typer.Option(
            "--liberty",
            metavar="FILE",
            help="Liberty file of a cell library, plain or .gz; adds its area. Give all its files.",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights", metavar="FILE", help="Another table of NAND2 equivalents (see docs/gates.md)."
        ),
    ] = None,
    paper_layer: Annotated[
        bool,
        typer.Option(
            "--paper-layer",
            help="Measure a published layer under published methods instead (see docs/paper-layer.md).",
        ),
    ] = False,
    unrolled: Annotated[
        Path | None,
        typer.Option(
            "--unrolled", metavar="CKPT", help="Measure a layer of CKPT, weights fixed in gates, instead."
        ),
    ] = None,
    layer: Annotated[
        str | None, typer.Option("--layer", metavar="NAME", help="The layer of --unrolled.")
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(
            "--channels",
            metavar="N",
            help="With --unrolled only its first N output channels; with --paper-layer the output channels "
            "that share sub-expressions, a divisor of 100. Default: all; 20.",
        ),
    ] = None,
    json_file: Json = None,
) -> None:
    """Count the gates of the engine and of its rivals.

    Synthesizes the shift-add engine and the multiplier engines that it competes with.
    All engines come from one generator and differ only in their lane and its feed. Figures are NAND2
    equivalents (GE) of the netlist that Yosys maps, of two multiplier architectures the better one, by
    module and per lane. Memories are not gates: their bits stand apart. docs/gates.md says how it is counted.

    \b
    Examples:
      shiftbook gates
      shiftbook gates --lanes 4x4 --json gates.json
      shiftbook gates --liberty cells_a.lib.gz --liberty cells_b.lib.gz
      shiftbook gates --paper-layer --json layer.json
      shiftbook gates --unrolled net.ckpt --layer layer1.0.conv1
    """
    check_writable(json_file)
    spec = make_spec("default", lanes)
    _check_single_layer(paper_layer, unrolled, layer, channels, liberty)
    with progress_bar() as show:

        def progress(done: int, total: int, what: str) -> None:
            show("synthesis", done, total)

        if paper_layer:
            report, table = _paper_layer(channels, weights, progress)
        elif unrolled is not None and layer is not None:
            report, table = _unrolled(unrolled, layer, channels, weights, progress)
        else:
            report, table = _engines((spec.rows, spec.cols), liberty, weights, progress)
    write_json(json_file, report)
    print_rich(table)


Result = tuple[dict[str, Any], "RenderableType"]
"""The report, and the table of it."""


def _check_single_layer(
    paper_layer: bool,
    unrolled: Path | None,
    layer: str | None,
    channels: int | None,
    liberty: list[Path] | None,
) -> None:
    """Refuse options that do not go together."""
    if paper_layer and unrolled is not None:
        raise ShiftbookError("--paper-layer and --unrolled are two reports: choose one")
    if unrolled is not None and layer is None:
        raise ShiftbookError("--unrolled needs --layer NAME; shiftbook inspect CKPT lists the names")
    if unrolled is None and (layer is not None or (channels is not None and not paper_layer)):
        raise ShiftbookError("--layer and --channels choose a part of --unrolled CKPT, which is missing")
    if liberty and (paper_layer or unrolled is not None):
        raise ShiftbookError("--liberty measures engines: leave it out with --paper-layer and --unrolled")


def _engines(
    lanes: tuple[int, int], liberty: list[Path] | None, weights: Path | None, progress: Progress
) -> Result:
    from synth.gates import gate_report
    from synth.report import gate_table

    report = gate_report(lanes, weights=weights, liberty=liberty or [], progress=progress)
    return report, gate_table(report)


def _paper_layer(channels: int | None, weights: Path | None, progress: Progress) -> Result:
    from synth.layer_report import paper_table
    from synth.paper_layer import SLICE, paper_layer_report

    channels = SLICE if channels is None else channels
    report = paper_layer_report(weights=weights, channels=channels, progress=progress)
    return report, paper_table(report)


def _unrolled(
    checkpoint: Path, layer: str, channels: int | None, weights: Path | None, progress: Progress
) -> Result:
    from synth.checkpoint_layer import checkpoint_layer_report
    from synth.layer_report import layer_table

    report = checkpoint_layer_report(checkpoint, layer, channels=channels, weights=weights, progress=progress)
    return report, layer_table(report)
