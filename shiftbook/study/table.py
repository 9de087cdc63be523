"""The points of a study as a table of plain values."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

FIXED = ("number", "network")
LAST = ("feasible", "front", "compared", "error")


def columns(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of all columns: an option that only some points have is empty for the others."""
    parts = ("compression", "engine", "values")
    inner = [dict.fromkeys(name for point in points for name in point[part]) for part in parts]
    named = [
        f"{part}.{name}" if part != "values" else name
        for part, names in zip(parts, inner, strict=True)
        for name in names
    ]
    return [*FIXED, *named, *LAST]


def flat(point: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    """The values of a point in these columns; None where it has none."""
    return [_cell(point, name) for name in names]


def _cell(point: Mapping[str, Any], name: str) -> Any:
    if name in FIXED or name in LAST:
        return point[name]
    part, _, inner = name.partition(".")
    value = point[part].get(inner) if inner else point["values"].get(part)
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else value


def csv_text(result: Mapping[str, Any]) -> str:
    """The points as CSV."""
    names = columns(result["points"])
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(flat(point, names) for point in result["points"])
    return buffer.getvalue()
