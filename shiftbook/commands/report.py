"""`shiftbook report`: one page of what the other commands measured."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from shiftbook.console import progress_bar, say
from shiftbook.golden.errors import ShiftbookError, one_line
from shiftbook.golden.files import check_writable, make_folder, write_bytes, write_text
from shiftbook.options import named

if TYPE_CHECKING:
    from shiftbook.report.plot import Plot


def report(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", parser=named, help="Folder with the JSON files that commands wrote."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.html", parser=named, help="The page to write.")
    ],
    plots: Annotated[
        Path | None,
        typer.Option(
            "--plots", metavar="FOLDER", parser=named, help="Also write each plot to a file of its own there."
        ),
    ] = None,
    image: Annotated[
        Literal["png", "svg"] | None,
        typer.Option("--format", help="Of these files. Default: svg."),
    ] = None,
) -> None:
    """Make one HTML page of results, with plots.

    Takes every file in DIR that compare, gates, run, inspect or compress wrote with --json FILE, whatever its
    name, and says which files it left out and why. The page needs no network: it can be mailed, or opened
    from a disk. Each section is there where its results are.

    \b
    Examples:
      shiftbook compare int8.ckpt net.ckpt --data digits --json results/compare.json
      shiftbook inspect net.ckpt --json results/inspect.json
      shiftbook report results -o report.html
      shiftbook report results -o report.html --plots figures --format png
    """
    check_writable(output, inputs=folder.glob("*.json") if os.path.isdir(folder) else ())
    if image is not None and plots is None:
        raise ShiftbookError(f"--format {image} is the format of single plots: add --plots FOLDER")
    from shiftbook.report.page import render
    from shiftbook.report.plot import style
    from shiftbook.report.reading import read_folder
    from shiftbook.report.sections import sections

    results = read_folder(folder)
    if plots is not None:
        make_folder(plots)
    with progress_bar() as progress, style():
        told = sections(results, progress)
        write_text(output, render(results, told))
        drawn = [plot for section in told for part in section.parts for plot in part.plots]
        if plots is not None:
            _write_plots(drawn, plots, image or "svg")
    for file, reason in results.skipped:
        say(f"skipped {file}: {reason}")
    where = "" if plots is None else f", also in {one_line(str(plots))}/"
    say(f"{one_line(str(output))}: results {len(results.found)}, plots {len(drawn)}{where}")


def _write_plots(drawn: list[Plot], folder: Path, image: Literal["png", "svg"]) -> None:
    from shiftbook.report.plot import as_file

    for plot in drawn:
        write_bytes(folder / f"{plot.name}.{image}", as_file(plot, image))
