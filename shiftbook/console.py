"""What people see: tables on stdout, progress on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from shiftbook.golden.errors import one_line, plain

if TYPE_CHECKING:
    from rich.console import RenderableType

PLAIN_INTERVAL = 10.0
"""Seconds between two lines of progress where stderr is not a terminal."""

PLAIN_WIDTH = 120
"""Columns of rich output where stdout is not a terminal."""

Progress = Callable[[str, float, float], None]
"""``progress(what, done, total)``: called often by long work."""


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Aligned columns: the first to the left, numbers to the right; no column is ever cut off."""
    cells = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = []
    for row in cells:
        first, *rest = (
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *rest]).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return one_line(str(value))
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"


def say(text: str, *, err: bool = False) -> None:
    """Print lines: nothing that a name or a tool brings into one of them reaches a terminal.

    A newline in a name would: what names a file goes through `golden.errors.one_line` before.
    """
    typer.echo("\n".join(plain(line.expandtabs()) for line in text.split("\n")), err=err)


def print_rich(content: RenderableType) -> None:
    """Print a rich table or text; where there is no terminal, wide enough that nothing is folded.

    Names are taken as they are, whatever rich would make of them.
    """
    from rich.console import Console
    from rich.segment import Segment, Segments

    width = None if sys.stdout.isatty() else PLAIN_WIDTH
    console = Console(width=width, markup=False, emoji=False)
    shown = [
        Segment("\n".join(map(plain, text.split("\n"))), style) for text, style, _ in console.render(content)
    ]
    with console.capture() as printed:  # written by us: rich ends the process where nobody reads it
        console.print(Segments(shown), end="")
    typer.echo(printed.get(), nl=False)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress bar on a terminal, a line every ten seconds elsewhere; both on stderr."""
    if not sys.stderr.isatty():
        yield _plain_progress()
        return
    from rich.console import Console
    from rich.progress import Progress as RichProgress

    with RichProgress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", visible=False)
        before = (0.0, 0.0)

        def show(what: str, done: float, total: float) -> None:
            nonlocal before
            if total != before[1] or done < before[0]:  # other work: its speed is not known yet
                bar.reset(task, total=total)
            before = (done, total)
            bar.update(task, description=what, completed=done, visible=done < total)

        yield show


def _plain_progress() -> Progress:
    last = time.monotonic()

    def show(what: str, done: float, total: float) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_INTERVAL:
            last = time.monotonic()
            print(f"{what}: {done:.0f} of {total:.0f}", file=sys.stderr, flush=True)

    return show
