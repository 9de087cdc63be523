"""Many compressions and engines, measured together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from shiftbook.api.arguments import path_of, whole, wrong
from shiftbook.api.table import Row, Table
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.progress import Progress, quiet


class Sweep(Table):
    """What a study came to.

    Attributes
    ----------
    result
        As docs/result-files.md describes it.
    computed
        Tasks that were done; the store had the results of the others.
    """

    def __init__(self, result: Mapping[str, Any], computed: int) -> None:
        self.result, self.computed = result, computed

    @property
    def points(self) -> list[Row]:
        """All points, those that failed included, in the order in which they were asked for."""
        found: list[Row] = self.result["points"]
        return found

    @property
    def front(self) -> list[Row]:
        """Points that keep all constraints, and that no other beats."""
        return [point for point in self.points if point["front"]]

    @property
    def failed(self) -> list[Row]:
        """Points that have no values, each with its ``error``."""
        return [point for point in self.points if point["error"] is not None]

    @property
    def hypervolume(self) -> list[float]:
        """After each point the share of the space between the best and the worst values that is dominated."""
        found: list[float] = self.result["hypervolume"]
        return found

    def to_dict(self) -> Row:
        return dict(self.result)

    def rows(self) -> list[Row]:
        """One for each point, with a column for each option and measure."""
        from shiftbook.study.table import columns, flat

        names = columns(self.result["points"])
        return [dict(zip(names, flat(point, names), strict=True)) for point in self.result["points"]]

    def __repr__(self) -> str:
        return (
            f"Sweep({self.result['study']}: {len(self.points):,} points, {len(self.front):,} on the front, "
            f"{len(self.failed):,} failed)"
        )


def sweep(
    study: str | os.PathLike[str] | Mapping[str, Any],
    output: str | os.PathLike[str],
    *,
    store: str | None = None,
    workers: int = 0,
    scheduler: str | None = None,
    progress: Progress = quiet,
) -> Sweep:
    """Run a study, or go on with one that was interrupted; see docs/sweep.md.

    Parameters
    ----------
    study
        A study file, or its values.
    output
        Folder for the results: sweep.json and sweep.csv.
    store
        URL for the results of tasks; None is a folder in ``output``.
    workers
        Processes on this machine; 0 does everything in this one. A program that asks for more must be
        guarded by ``if __name__ == "__main__":``, since each begins with the program's own file.
    scheduler
        Address of a Dask scheduler that runs already, in place of workers.
    progress
        Called as ``progress(what, done, total)`` with numbers of points.

    Raises
    ------
    ShiftbookError
        The study makes no sense, a file cannot be read or written, or the cluster is lost; in one line.
    """
    from shiftbook.study.run import Place, run
    from shiftbook.study.study import make_study, read_study

    if isinstance(study, Mapping):
        read = make_study(study, "the study", "study")
    else:
        read = read_study(path_of("study", study))
    for name, value in (("store", store), ("scheduler", scheduler)):
        if value is not None and (not isinstance(value, str) or not value):
            raise wrong(name, "a text or None", value)
    count = whole("workers", workers, 0)
    if scheduler is not None and count:
        raise ShiftbookError(f"workers={count} are of a cluster on this machine: leave them or scheduler out")
    done = run(read, Place(path_of("output", output), store, count, scheduler), progress)
    return Sweep(done.result, done.computed)
