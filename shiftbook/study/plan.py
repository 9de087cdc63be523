"""The graph of a study as text: what a dry run prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from shiftbook.console import table
from shiftbook.study.point import Point
from shiftbook.study.study import Study
from shiftbook.study.task import Task


def plan_text(
    study: Study, points: Sequence[Point], tasks: Mapping[str, Task], known: Collection[str]
) -> str:
    """Tasks by kind: how many, how many the store has, and what each kind needs."""
    kinds = Counter(task.kind for task in tasks.values())
    done = Counter(tasks[key].kind for key in known)
    needs: dict[str, dict[str, None]] = {kind: {} for kind in kinds}
    for task in tasks.values():
        needs[task.kind].update(dict.fromkeys(tasks[key].kind for key in task.needs.values()))
    rows = [
        [kind, count, done[kind], count - done[kind], ", ".join(needs[kind]) or "nothing"]
        for kind, count in kinds.items()
    ]
    edges = sum(len(task.needs) for task in tasks.values())
    asked = f"{len(points):,} points"
    if study.general.points is not None and study.general.points > len(points):
        asked = f"the first {len(points):,} of {study.general.points:,} points"
    impossible = sum(point.error is not None for point in points)
    also = f", {impossible:,} of them impossible" if impossible else ""
    header = ["task", "all", "in the store", "to do", "needs"]
    return f"{table(header, rows)}\n{asked}{also}: {len(tasks):,} tasks, {edges:,} edges"
