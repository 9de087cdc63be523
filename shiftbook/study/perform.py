"""Doing a task once: its result is taken from the store, or made and put there."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shiftbook.golden.errors import ShiftbookError, first_line, one_line
from shiftbook.study.keys import Json
from shiftbook.study.store import Store, StoreError
from shiftbook.study.task import Task, origin
from shiftbook.study.tasks import work_of
from shiftbook.study.tasks.base import Request


@dataclass(frozen=True)
class Outcome:
    """What came of a task.

    Attributes
    ----------
    result
        Values of JSON; None where the task failed.
    error
        Why it failed, in one line.
    seconds
        That the work took; 0 where the store had it.
    """

    key: str
    result: Mapping[str, Json] | None
    error: str | None = None
    seconds: float = 0.0


def recorded(record: Mapping[str, Json]) -> Outcome:
    """The outcome that a record of the store tells."""
    return Outcome(record["key"], record.get("result"), record.get("error"))


def perform(task: Task, store: Store) -> Outcome:
    """Do a task, unless it is done.

    A mistake in the input is as much a result as a number, and is stored. Anything else that goes wrong, such
    as a lack of memory, is told and tried again by the next run.

    Raises
    ------
    StoreError
        The store cannot be read or written.
    """
    known = store.get(task.key)
    if known is not None:
        return recorded(known)
    started = time.perf_counter()
    described = {"kind": task.kind, "options": task.options, "needs": task.needs, **origin(task.kind)}
    try:
        made = work_of(task.kind).run(Request(task.options, task.needs, task.places, store))
    except StoreError:
        raise
    except ShiftbookError as error:
        store.put(task.key, {**described, "error": str(error)}, {})
        return Outcome(task.key, None, str(error), time.perf_counter() - started)
    except Exception as error:
        told = one_line(f"{task.kind}: {type(error).__name__}: {first_line(error)}")
        return Outcome(task.key, None, told, time.perf_counter() - started)
    store.put(task.key, {**described, "result": made.result}, made.files)
    return Outcome(task.key, made.result, None, time.perf_counter() - started)


def perform_all(tasks: Sequence[Mapping[str, Any]], url: str) -> list[Outcome]:
    """Do a bundle of tasks one after another, on whatever machine this runs.

    Parameters
    ----------
    tasks
        As `Task.as_json` gives them.
    url
        Of the store.
    """
    store = Store(url)
    return [perform(Task(**task), store) for task in tasks]
