"""A whole study: checked first, then searched batch by batch, its results written at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import check_folder_writable, write_text
from shiftbook.golden.progress import Progress, quiet
from shiftbook.results.sweep import Sweep
from shiftbook.results.writing import result_text
from shiftbook.study.answers import Row, measured, summary
from shiftbook.study.execution import Execution
from shiftbook.study.executor import Executor, InProcess
from shiftbook.study.graph import Graph
from shiftbook.study.material import gather
from shiftbook.study.plan import plan_text
from shiftbook.study.point import Point
from shiftbook.study.search import Search, corners_of, make_search
from shiftbook.study.store import Store
from shiftbook.study.study import Study
from shiftbook.study.table import csv_text
from shiftbook.study.telling import Telling

RESULT = "sweep.json"
CSV = "sweep.csv"
JOURNAL = "optuna.journal"
STORE = "store"


@dataclass(frozen=True)
class Place:
    """Where a study runs and what it writes.

    Attributes
    ----------
    folder
        Of the results.
    store
        URL of the store; None is a folder in the results.
    workers
        Processes of the local cluster; 0 does everything in this one.
    scheduler
        Address of a running one, in place of a local cluster.
    """

    folder: Path
    store: str | None = None
    workers: int = 0
    scheduler: str | None = None


@dataclass(frozen=True)
class Done:
    """What a run of a study came to.

    Attributes
    ----------
    result
        As the file has it.
    computed, known
        Tasks that were done, and those whose results the store had.
    """

    result: Row
    computed: int
    known: int


def run(study: Study, place: Place, progress: Progress = quiet) -> Done:
    """Run a study, or go on with one.

    Raises
    ------
    ShiftbookError
        A point is impossible, a file cannot be read, or store or cluster are lost.
    """
    graph = prepared(study)
    search = make_search(study, place.folder / JOURNAL)
    store = store_of(place)
    check_folder_writable(place.folder, [RESULT, CSV, JOURNAL])
    store.open()
    telling = Telling(study, graph, progress)
    with executor_of(place, store) as executor:
        execution = Execution(store, executor, telling.ended, telling.tell)
        telling.execution = execution
        rows = _searched(study, search, graph, execution, telling)
    result = summary(study, rows)
    write_text(place.folder / RESULT, result_text(Sweep, result))
    write_text(place.folder / CSV, csv_text(result))
    return Done(result, execution.computed, len(execution.outcomes) - execution.computed)


def plan_of(study: Study, place: Place) -> str:
    """The size of the task graph, and how much of it is in the store; nothing runs.

    Of a search that learns it is the graph of the first batch.

    Raises
    ------
    ShiftbookError
        See `run`.
    """
    graph = prepared(study)
    search = make_search(study, None)
    points = [graph.add(choice) for choice in search.ask()]
    known = store_of(place).get_many(graph.tasks)
    return plan_text(study, points, graph.tasks, known)


def _searched(
    study: Study, search: Search, graph: Graph, execution: Execution, telling: Telling
) -> list[Row]:
    """The rows of all points that the search asks for."""
    rows: list[Row] = []
    while choices := search.ask():
        points = [graph.add(choice) for choice in choices]
        telling.asked(points)
        execution.run(graph.tasks, _wanted(points))
        found = [measured(study, point, execution.outcomes) for point in points]
        search.tell([row["values"] if row["error"] is None else None for row in found])
        rows += found
    return rows


def _wanted(points: Sequence[Point]) -> Iterator[str]:
    return (key for point in points for keys in point.tasks.values() for key in keys)


def prepared(study: Study) -> Graph:
    """The graph of a study, still without points; everything that can be wrong is told here.

    Raises
    ------
    ShiftbookError
        A file cannot be read, or a choice is impossible.
    """
    needs_images = bool(study.kinds & {"accuracy", "float"}) or study.check.rtl_every is not None
    try:
        materials = {name: gather(table, needs_images) for name, table in study.networks.items()}
        graph = Graph(study, materials)
    except ShiftbookError as error:
        raise ShiftbookError(f"{study.origin}: {error}") from error
    for choice in corners_of(study):
        try:
            graph.check(choice)
        except ShiftbookError as error:
            options = {**choice.compression, **choice.engine}
            told = ", ".join(f"{name} {value}" for name, value in options.items()) or "the defaults"
            raise ShiftbookError(f"{study.origin}: {choice.network} with {told}: {error}") from error
    return graph


def store_of(place: Place) -> Store:
    """The store that was asked for, or the one in the results."""
    return Store(str((place.folder / STORE).absolute()) if place.store is None else place.store)


@contextmanager
def executor_of(place: Place, store: Store) -> Iterator[Executor]:
    """Where the tasks run."""
    if place.scheduler is None and not place.workers:
        yield InProcess(store)
        return
    from shiftbook.study.cluster import local_cluster, running_cluster

    if place.scheduler is not None:
        with running_cluster(place.scheduler, store) as cluster:
            yield cluster
    else:
        with local_cluster(place.workers, store) as local:
            yield local
