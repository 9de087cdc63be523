"""`shiftbook sweep`: many compressions and engines, measured together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shiftbook.console import progress_bar, say, table
from shiftbook.golden.errors import one_line
from shiftbook.options.groups import grouped
from shiftbook.options.paths import named
from shiftbook.options.sweeping import PlaceGroup

if TYPE_CHECKING:
    from shiftbook.study.run import Done

MOST_SHOWN = 20
"""Points of the front that are printed; the files have all."""


def _print_example(wanted: bool) -> None:
    if wanted:
        typer.echo(Path(__file__).parents[1].joinpath("study", "example.toml").read_text(), nl=False)
        raise typer.Exit


@grouped
def sweep(
    study: Annotated[Path, typer.Argument(metavar="STUDY.toml", parser=named, help="The study.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", parser=named, help="The folder for the results.")
    ],
    place: PlaceGroup,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the size of the task graph, and run nothing.")
    ] = False,
    example: Annotated[
        bool,
        typer.Option(
            "--example", help="Print a study with comments, and exit.", callback=_print_example, is_eager=True
        ),
    ] = False,
) -> None:
    """Explore compressions and engines under a study.

    A study names networks, choices of compression and engine, objectives and constraints. Each point is
    compressed, run on the golden model, put through the cycle model, and its engine synthesized, as far as
    its objectives ask. What several points share is done once. Points that fail are kept with the reason.

    Results of tasks are kept in a store under names made of all that they depend on: an interrupted study
    goes on with the same command, and a second run computes nothing.

    Writes DIR/sweep.json, which report draws, and DIR/sweep.csv.

    \b
    Examples:
      shiftbook sweep --example > study.toml
      shiftbook sweep study.toml -o results --dry-run
      shiftbook sweep study.toml -o results
      shiftbook report results -o report.html
      shiftbook sweep study.toml -o results --scheduler tcp://head:8786 --store s3://bucket/study
    """
    from shiftbook.golden.files import check_writable
    from shiftbook.study.run import CSV, RESULT, plan_of, run
    from shiftbook.study.study import read_study

    chosen = place.place(output)
    read = read_study(study)
    if output.is_dir():
        check_writable(output / RESULT, output / CSV, inputs=[study])
    if dry_run:
        say(plan_of(read, chosen))
        return
    with _resumable(output), progress_bar() as progress:
        done = run(read, chosen, progress)
    say(f"{front_table(done.result)}\n{told(done)}: {one_line(str(output / RESULT))}")


@contextmanager
def _resumable(output: Path) -> Iterator[None]:
    """Say after an interruption how the study goes on."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"the same command goes on from what {output} has") from None


def told(done: Done) -> str:
    """How many points there are, what became of them, and what it took."""
    points = done.result["points"]
    failed = [point for point in points if point["error"] is not None]
    front = sum(point["front"] for point in points)
    lines = [f"failed {point['number']}: {point['error']}" for point in failed[:MOST_SHOWN]]
    if len(failed) > MOST_SHOWN:
        lines.append(f"{len(failed) - MOST_SHOWN} more failed: the files have them")
    counts = f"{len(points):,} points, {front:,} on the front, {len(failed):,} failed"
    tasks = f"{done.computed:,} tasks computed, {done.known:,} known before"
    return "\n".join([*lines, f"{counts}; {tasks}"])


def front_table(result: dict[str, Any]) -> str:
    """The front for people, by the first objective."""
    objective, way = next(iter(result["objectives"].items()))
    best = [point for point in result["points"] if point["front"]]
    best.sort(key=lambda point: point["values"][objective], reverse=way == "max")
    measures = list(result["points"][0]["values"]) if result["points"] else []
    rows = [
        [point["number"], _options(point), *(point["values"][name] for name in measures)]
        for point in best[:MOST_SHOWN]
    ]
    return table(["front", "options", *measures], rows)


def _options(point: dict[str, Any]) -> str:
    chosen = {**point["compression"], **point["engine"]}
    return " ".join([point["network"], *(f"{name}={value}" for name, value in chosen.items())])
