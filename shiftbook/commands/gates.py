"""`shiftbook gates`: what the engine and its rivals cost in logic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shiftbook.console import print_rich, progress_bar
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import check_writable, write_json
from shiftbook.golden.spec import PRESETS
from shiftbook.options import Bus, BusParity, Json, make_spec, named

if TYPE_CHECKING:
    from rich.console import RenderableType

    from shiftbook.synth.flow.measure import Progress

Result = tuple[dict[str, Any], "RenderableType"]
"""A report, and the table of it."""

OWN_OPTIONS = {
    "--fpga": ("--lanes", "--engine"),
    "--paper-layer": ("--weights", "--channels"),
    "--unrolled": ("--weights", "--layer", "--channels"),
}
"""What goes with the reports on something else than the gates of engines."""

PARTS = ("--layer", "--channels")
"""What chooses a part, and means nothing for engines."""


def gates(
    lanes: Annotated[
        str | None,
        typer.Option(
            "--lanes",
            metavar="RxC",
            help="Lane grid: rows x columns. Default: 8x8, or what suits the --fpga.",
        ),
    ] = None,
    engines: Annotated[
        list[str] | None,
        typer.Option(
            "--engine",
            metavar="NAME",
            help=f"{', '.join(PRESETS)}; give one or more. Default: all; with --fpga shift and int8.",
        ),
    ] = None,
    fpga: Annotated[
        str | None,
        typer.Option(
            "--fpga",
            metavar="NAME",
            help="Instead of gates, LUTs and megahertz on a chip: ecp5, ice40 or up5k. Takes minutes.",
        ),
    ] = None,
    liberty: Annotated[
        list[Path] | None,
        typer.Option(
            "--liberty",
            metavar="FILE",
            parser=named,
            help="Liberty file of a cell library, plain or .gz; adds its area. Give all its files.",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            parser=named,
            help="Another table of NAND2 equivalents (see docs/gates.md).",
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
            "--unrolled",
            metavar="CKPT",
            parser=named,
            help="Measure a layer of CKPT, weights fixed in gates, instead.",
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
    flat: Annotated[
        bool | None,
        typer.Option(
            "--flat/--no-flat",
            help="Count each engine without hierarchy too: minutes for 8x8 lanes. Default: up to 4 lanes.",
        ),
    ] = None,
    system: Annotated[
        bool,
        typer.Option(
            "--system",
            help="Count the buses, the loader, the store and the sequencer around each engine too.",
        ),
    ] = False,
    bus: Bus = None,
    bus_parity: BusParity = False,
    json_file: Json = None,
) -> None:
    """Count the gates of the engine and of its rivals.

    Synthesizes the shift-add engine and the multiplier engines that it competes with.
    All engines come from one generator and differ only in their lane and its feed. Figures are NAND2
    equivalents (GE) of the netlist that Yosys maps, of two multiplier architectures the better one, by
    module and per lane. Memories are not gates: their bits stand apart. docs/gates.md says how it is counted.

    --fpga, --paper-layer and --unrolled measure something else instead.

    \b
    Examples:
      shiftbook gates
      shiftbook gates --lanes 4x4 --json gates.json
      shiftbook gates --system --json gates.json
      shiftbook gates --liberty cells_a.lib.gz --liberty cells_b.lib.gz
      shiftbook gates --fpga ecp5 --engine shift --engine int8
      shiftbook gates --paper-layer --json layer.json
      shiftbook gates --unrolled net.ckpt --layer layer1.0.conv1
    """
    check_writable(json_file, inputs=[weights, unrolled, *(liberty or [])])
    given = {
        "--lanes": lanes,
        "--engine": engines,
        "--liberty": liberty,
        "--weights": weights,
        "--flat": flat,
        "--system": system or None,
        "--bus": bus,
        "--bus-parity": bus_parity or None,
        "--layer": layer,
        "--channels": channels,
    }
    if bus_parity and not system:
        raise ShiftbookError("the engine has no bus: --bus-parity needs --system")
    _check({"--fpga": fpga, "--paper-layer": paper_layer or None, "--unrolled": unrolled}, given)
    with progress_bar() as show:

        def progress(done: int, total: int, what: str) -> None:
            show(f"after {what}" if fpga else "synthesis", done, total)

        if fpga is not None:
            report, table = _placed(fpga, lanes, engines, progress)
        elif paper_layer:
            report, table = _paper_layer(channels, weights, progress)
        elif unrolled is not None and layer is not None:
            report, table = _unrolled(unrolled, layer, channels, weights, progress)
        else:
            options = {
                "bus": bus,
                "bus_parity": bus_parity,
                "weights": weights,
                "liberty": [] if liberty is None else liberty,
                "flat": flat,
                "system": system,
            }
            report, table = _engines("8x8" if lanes is None else lanes, engines, progress, **options)
    write_json(json_file, report)
    print_rich(table)


def _check(reports: dict[str, Any], options: dict[str, Any]) -> None:
    """Refuse what does not go together."""
    asked = [name for name, value in reports.items() if value is not None]
    if len(asked) > 1:
        raise ShiftbookError(f"{asked[0]} and {asked[1]} are two reports: choose one")
    for name, value in options.items():
        if value is None:
            continue
        owners = [report for report, own in OWN_OPTIONS.items() if name in own]
        if asked and asked[0] not in owners:
            raise ShiftbookError(f"{name} does not go with {asked[0]}: leave it out")
        if not asked and name in PARTS:
            raise ShiftbookError(f"{name} chooses a part of --unrolled CKPT, which is missing")
    if reports["--unrolled"] is not None and options["--layer"] is None:
        raise ShiftbookError("--unrolled needs --layer NAME; shiftbook inspect CKPT lists the names")


def _engines(lanes: str, engines: list[str] | None, progress: Progress, **options: Any) -> Result:
    from shiftbook.synth.flow.gates import gate_report
    from shiftbook.synth.flow.report import gate_table

    spec = make_spec("shift", lanes, bus=options["bus"])
    grid = (spec.rows, spec.cols)
    report = gate_report(
        grid, engines=tuple(PRESETS) if engines is None else engines, progress=progress, **options
    )
    return report, gate_table(report)


def _placed(chip: str, lanes: str | None, engines: list[str] | None, progress: Progress) -> Result:
    from shiftbook.synth.flow.gates import COMPARED
    from shiftbook.synth.fpga.report import fpga_report, fpga_table

    spec = None if lanes is None else make_spec("shift", lanes)
    grid = None if spec is None else (spec.rows, spec.cols)
    chosen = COMPARED if engines is None else engines
    report = fpga_report(chip, grid, engines=chosen, progress=progress)
    return report, fpga_table(report)


def _paper_layer(channels: int | None, weights: Path | None, progress: Progress) -> Result:
    from shiftbook.synth.unrolled.layer_report import paper_table
    from shiftbook.synth.unrolled.paper_layer import SLICE, paper_layer_report

    channels = SLICE if channels is None else channels
    report = paper_layer_report(weights=weights, channels=channels, progress=progress)
    return report, paper_table(report)


def _unrolled(
    checkpoint: Path, layer: str, channels: int | None, weights: Path | None, progress: Progress
) -> Result:
    from shiftbook.synth.unrolled.checkpoint_layer import checkpoint_layer_report
    from shiftbook.synth.unrolled.layer_report import layer_table

    report = checkpoint_layer_report(checkpoint, layer, channels=channels, weights=weights, progress=progress)
    return report, layer_table(report)
