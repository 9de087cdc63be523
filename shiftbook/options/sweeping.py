"""Where `sweep` runs, and what it keeps."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from shiftbook.golden.errors import ShiftbookError

if TYPE_CHECKING:
    from shiftbook.study.run import Place


def store_named(text: str) -> str:
    """The store that a command is given: never the empty text."""
    if not text:
        raise typer.BadParameter("it is empty: name a folder or a URL")
    return text


@dataclass(frozen=True)
class PlaceGroup:
    """Workers and the store."""

    panel: ClassVar[str | None] = None

    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="URL",
            parser=store_named,
            help="Where results of tasks are kept and found again: a folder, or what fsspec opens, such as "
            "s3://bucket/study. Studies may share one. Default: DIR/store.",
        ),
    ] = None
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Processes on this machine; 0 does everything in this one. Default: one a core.",
        ),
    ] = None
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="A Dask scheduler that runs already, such as tcp://host:8786. Default: a cluster of this "
            "machine.",
        ),
    ] = None

    def place(self, folder: Path) -> Place:
        """Where the study runs, with its results in a folder.

        Raises
        ------
        ShiftbookError
            Workers and a scheduler are given.
        """
        from shiftbook.study.run import Place

        if self.scheduler is not None and self.workers is not None:
            raise ShiftbookError(
                f"--workers {self.workers} are of a cluster on this machine, but --scheduler "
                f"{self.scheduler} has its own: give one of them"
            )
        workers = (os.cpu_count() or 1) if self.workers is None else self.workers
        return Place(folder, self.store, workers, self.scheduler)
