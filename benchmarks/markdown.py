"""Tables in Markdown, from rows of JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

Json = dict[str, Any]


class Column(NamedTuple):
    """A head, and the cell of a row as text."""

    head: str
    cell: Callable[[Json], str]


def markdown(columns: Sequence[Column], rows: Sequence[Json]) -> str:
    """A Markdown table."""
    lines = [[column.head for column in columns], ["---"] * len(columns)]
    lines += [[column.cell(row) for column in columns] for row in rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def count(key: str) -> Callable[[Json], str]:
    """A whole number with separators, or nothing where there is none."""
    return lambda row: "" if row.get(key) is None else f"{round(row[key]):,}"


def number(key: str, digits: int) -> Callable[[Json], str]:
    """A number with separators."""
    return lambda row: f"{row[key]:,.{digits}f}"


def percent(key: str, digits: int = 2) -> Callable[[Json], str]:
    """A share, or nothing where there is none."""
    return lambda row: "" if row.get(key) is None else f"{100 * row[key]:.{digits}f} %"


def ratio(key: str) -> Callable[[Json], str]:
    """A ratio, or nothing where there is none."""
    return lambda row: "" if row.get(key) is None else f"{row[key]:.3f}"


def name_of(row: Json) -> str:
    """The checkpoint's name without what all of them share."""
    return Path(row["checkpoint"]).stem
