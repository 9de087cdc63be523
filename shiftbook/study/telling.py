"""What is told while a study runs: points done, running and failed, the best so far, and the time left."""

from __future__ import annotations

import time
from collections.abc import Sequence

from shiftbook.golden.progress import Progress
from shiftbook.study.answers import Row, measured, within
from shiftbook.study.execution import Execution
from shiftbook.study.graph import Graph
from shiftbook.study.perform import Outcome
from shiftbook.study.point import Point
from shiftbook.study.study import Study

HOUR, MINUTE = 3600, 60


class Telling:
    """Counts points as their last tasks end.

    Parameters
    ----------
    progress
        Called as ``progress(what, done, total)`` with numbers of points.
    """

    def __init__(self, study: Study, graph: Graph, progress: Progress) -> None:
        self.study, self.graph, self.progress = study, graph, progress
        self.execution: Execution | None = None
        self.points: list[Point] = []
        self.left: list[int] = []
        self.of_task: dict[str, list[int]] = {}
        self.done = self.failed = 0
        self.best: float | None = None
        self.started = time.monotonic()
        self.objective, self.way = next(iter(study.objectives.items()))

    @property
    def total(self) -> int:
        """Points that the study will have, as far as that is known."""
        return max(len(self.points), self.study.general.points or 0)

    def asked(self, points: Sequence[Point]) -> None:
        """New points."""
        outcomes = {} if self.execution is None else self.execution.outcomes
        for point in points:
            keys = {key for keys in point.tasks.values() for key in keys} - outcomes.keys()
            for key in keys:
                self.of_task.setdefault(key, []).append(len(self.points))
            self.points.append(point)
            self.left.append(len(keys))
            if not keys:
                self._count(point)
        self.tell()

    def ended(self, outcome: Outcome) -> None:
        """A task has ended."""
        for index in self.of_task.pop(outcome.key, ()):
            self.left[index] -= 1
            if not self.left[index]:
                self._count(self.points[index])
        self.tell()

    def _count(self, point: Point) -> None:
        """A point is done."""
        outcomes = {} if self.execution is None else self.execution.outcomes
        row = measured(self.study, point, outcomes)
        self.done += 1
        self.failed += row["error"] is not None
        if within(self.study, row):
            self.best = self._better(row)

    def _better(self, row: Row) -> float:
        value: float = row["values"][self.objective]
        if self.best is None:
            return value
        return max(self.best, value) if self.way == "max" else min(self.best, value)

    def tell(self) -> None:
        """Tell how far it is."""
        running = 0 if self.execution is None else self.execution.running
        best = "" if self.best is None else f", best {self.objective} {self.best:,.6g}"
        what = f"points ({running} tasks running, {self.failed} failed{best}{self._time_left()})"
        self.progress(what, self.done, self.total)

    def _time_left(self) -> str:
        """As long as all points took so far, each."""
        if not self.done or self.done == self.total:
            return ""
        seconds = (time.monotonic() - self.started) / self.done * (self.total - self.done)
        if seconds >= HOUR:
            return f", {seconds / HOUR:.1f} h left"
        return f", {seconds / MINUTE:.0f} min left" if seconds >= 2 * MINUTE else f", {seconds:.0f} s left"
