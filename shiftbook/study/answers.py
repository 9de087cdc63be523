"""From outcomes of tasks to what a study says: measures, constraints, the front, the hypervolume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shiftbook.study.front import growth, on_front
from shiftbook.study.measures import MEASURES, Number
from shiftbook.study.perform import Outcome
from shiftbook.study.point import Point
from shiftbook.study.study import Study

Row = dict[str, Any]


def measured(study: Study, point: Point, outcomes: Mapping[str, Outcome]) -> Row:
    """One point with its values: those that are known, and why others are not."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    errors = [] if point.error is None else [point.error]
    for kind, keys in point.tasks.items():
        ended = [outcomes[key] for key in keys]
        errors += [each.error for each in ended if each.error is not None]
        results = [each.result for each in ended if each.result is not None]
        if len(results) == len(ended):
            found[kind] = results
    values = {name: _value(name, found) for name in study.measures}
    refused = [load["refused"] for load in found.get("load", ()) if load["refused"] is not None]
    missing = [name for name, value in values.items() if value is None]
    if missing and not errors:
        errors += refused or [f"{', '.join(missing)}: the cell library does not say"]
    return {
        "number": point.number,
        "network": point.choice.network,
        "compression": dict(point.choice.compression),
        "engine": dict(point.choice.engine),
        "values": values,
        "error": errors[0] if errors else None,
        "compared": sum(each["compared"] for each in found.get("rtl", ())) or None,
    }


def _value(name: str, found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Number:
    measure = MEASURES[name]
    return measure.value(found) if all(kind in found for kind in measure.kinds) else None


def within(study: Study, row: Row) -> bool:
    """Whether a point did not fail and keeps all constraints."""
    bounds = study.constraints.items()
    return row["error"] is None and all(bound.hold(row["values"][name]) for name, bound in bounds)


def summary(study: Study, rows: Sequence[Row]) -> Row:
    """The result file of a study: see `results.sweep`."""
    feasible = [within(study, row) for row in rows]
    costs = np.array([_costs(study, row) for row in rows], np.float64).reshape(len(rows), -1)
    front = np.zeros(len(rows), bool)
    chosen = np.flatnonzero(feasible)
    front[chosen] = on_front(costs[chosen])
    return {
        "study": study.name,
        "search": study.general.search,
        "seed": study.general.seed,
        "objectives": dict(study.objectives),
        "constraints": {name: bound.model_dump() for name, bound in study.constraints.items()},
        "points": [
            {**row, "feasible": bool(fits), "front": bool(best)}
            for row, fits, best in zip(rows, feasible, front, strict=True)
        ],
        "hypervolume": growth(costs, feasible),
    }


def _costs(study: Study, row: Row) -> list[float]:
    """The objectives, less is better; those of a failed point are never looked at."""
    values = [(row["values"][name], way) for name, way in study.objectives.items()]
    return [0.0 if value is None else -value if way == "max" else value for value, way in values]
