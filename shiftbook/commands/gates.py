"""`shiftbook gates`: what the engine and its rivals cost in logic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from golden.errors import ShiftbookError
from shiftbook.console import print_rich, progress_bar
from shiftbook.files import check_writable, write_json
from shiftbook.options import Bus, Json, make_spec


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
            help="shift, narrow, int8, int8_sparse, focused or pair; give one or more. Default: all; with "
            "--fpga shift and int8.",
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
            help="Liberty file of a cell library, plain or .gz; adds its area. Give all its files.",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights", metavar="FILE", help="Another table of NAND2 equivalents (see docs/gates.md)."
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
      shiftbook gates --system --json gates.json
      shiftbook gates --liberty cells_a.lib.gz --liberty cells_b.lib.gz
      shiftbook gates --fpga ecp5 --engine shift --engine int8
    """
    check_writable(json_file)
    if fpga is not None:
        if weights or liberty or flat is not None or system or bus:
            raise ShiftbookError(
                "--fpga counts the cells of a chip: leave out --weights, --liberty, --flat, --system and --bus"
            )
        _place_and_route(fpga, lanes, engines, json_file)
        return
    spec = make_spec("default", lanes or "8x8", bus=bus)
    from synth.gates import ENGINES, gate_report
    from synth.report import gate_table

    with progress_bar() as show:
        report = gate_report(
            (spec.rows, spec.cols),
            bus=bus,
            engines=engines or tuple(ENGINES),
            weights=weights,
            liberty=liberty or [],
            flat=flat,
            system=system,
            progress=lambda done, total, what: show("synthesis", done, total),
        )
    write_json(json_file, report)
    print_rich(gate_table(report))


def _place_and_route(chip: str, lanes: str | None, engines: list[str] | None, json_file: Path | None) -> None:
    spec = make_spec("default", lanes) if lanes else None
    from synth.fpga_report import fpga_report, fpga_table
    from synth.gates import COMPARED

    with progress_bar() as show:
        report = fpga_report(
            chip,
            (spec.rows, spec.cols) if spec else None,
            engines=engines or COMPARED,
            progress=lambda done, total, what: show(f"after {what}", done, total),
        )
    write_json(json_file, report)
    print_rich(fpga_table(report))
