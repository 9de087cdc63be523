"""A table that sorts and filters in the page by style alone: no script, so that it works wherever it is sent.

Rows know their rank in each column. A radio button says which rank is their place, others which rows are
left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from shiftbook.report.study import options_of, shown
from shiftbook.results.sweep import StudyPoint, Sweep

MOST_ROWS = 2000
"""A page with more would take long to open; sweep.csv has all."""

MOST_KINDS = 12
"""A column of more different texts has no filter."""


@dataclass(frozen=True)
class Filter:
    """Buttons that leave only some rows.

    Attributes
    ----------
    column
        Its number.
    kinds
        Its different values.
    """

    column: int
    name: str
    kinds: Sequence[str]


@dataclass(frozen=True)
class SortableRow:
    """Cells, the row's rank in each column, and the number of its kind in each filter."""

    cells: Sequence[str]
    ranks: Sequence[int]
    kinds: Sequence[int]
    marked: bool


@dataclass(frozen=True)
class Sortable:
    """The whole table; ``slug`` is in no other id of the page."""

    slug: str
    title: str
    head: Sequence[str]
    rows: Sequence[SortableRow]
    filters: Sequence[Filter] = field(default=())


def study_table(study: Sweep, slug: str) -> Sortable:
    """One row a point, those on the front first."""
    points = sorted(study.points, key=lambda point: (not point.front, point.number))[:MOST_ROWS]
    options = list(dict.fromkeys(name for point in points for name in options_of(point)))
    measures = list(points[0].values) if points else []
    head = ["point", *options, *measures, "result"]
    values = [_values(point, options, measures) for point in points]
    cells = [_cells(row, measures) for row in values]
    columns = list(zip(*values, strict=True))
    ranks = [_ranks(column) for column in columns]
    texts = list(zip(*cells, strict=True))
    chosen = [i for i in (*range(1, 1 + len(options)), len(head) - 1) if points]
    filters = [
        Filter(i, head[i], kinds)
        for i in chosen
        if 1 < len(kinds := list(dict.fromkeys(texts[i]))) <= MOST_KINDS
    ]
    rows = [
        SortableRow(
            cells[n],
            [column[n] for column in ranks],
            [each.kinds.index(cells[n][each.column]) for each in filters],
            point.front,
        )
        for n, point in enumerate(points)
    ]
    return Sortable(slug, "Points", head, rows, filters)


def _values(point: StudyPoint, options: Sequence[str], measures: Sequence[str]) -> list[Any]:
    chosen = options_of(point)
    outcome = (
        "failed"
        if point.error is not None
        else "front"
        if point.front
        else "feasible"
        if point.feasible
        else "not feasible"
    )
    return [
        point.number,
        *(chosen.get(name) for name in options),
        *(point.values[name] for name in measures),
        outcome,
    ]


def _cells(values: Sequence[Any], measures: Sequence[str]) -> list[str]:
    first = len(values) - 1 - len(measures)
    plain = ["default" if value is None else str(value) for value in values[:first]]
    figures = [shown(name, value) for name, value in zip(measures, values[first:-1], strict=True)]
    return [*plain, *figures, values[-1]]


def _ranks(column: Sequence[Any]) -> list[int]:
    """The place of each value among all: numbers first, then texts, then what is missing."""

    def order(value: Any) -> tuple[int, float, str]:
        if value is None:
            return 2, 0.0, ""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return (0, value, "") if number else (1, 0.0, str(value))

    places = {key: place for place, key in enumerate(sorted({order(value) for value in column}))}
    return [places[order(value)] for value in column]


def rules(tables: Sequence[Sortable]) -> str:
    """The style that lets the buttons of all tables do what they say."""
    columns = max((len(table.head) for table in tables), default=0)
    places = [pair for table in tables for pair in enumerate(table.filters)]
    kinds = dict.fromkeys((place, kind) for place, each in places for kind in range(len(each.kinds)))
    lines = [f".sortable:has(.by-{i}:checked) tbody tr {{ --rank: var(--r{i}); }}" for i in range(columns)]
    lines += [
        f".sortable:has(.only-{i}-{j}:checked) tbody tr:not(.k{i}-{j}) {{ display: none; }}" for i, j in kinds
    ]
    return "\n".join(lines)
