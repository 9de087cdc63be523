"""Puts new gates into stored comparisons: cycles stay, ratios follow.

For a change of the hardware that costs or saves gates and takes the same cycles, such as a new feature that
the networks do not use. An engine whose spec has
changed is refused: its cycles must be measured anew, with ``shiftbook compare``.

    git show HEAD:docs/results/gates.json > old.json
    shiftbook gates --system --json docs/results/gates.json
    python -m benchmarks.reprice old.json docs/results/gates.json docs/results/resnet20.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.command import start
from shiftbook.comparison import relate
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import write_json

PRICES = {"ge": "total_ge", "accelerator_ge": "accelerator_ge"}
"""Fields of a comparison's row, and of an engine in a gate report."""

TOTALS = ("whole_ge", "whole_area", "delay")
"""Fields that both have by the same name, and that older comparisons lack."""

Json = dict[str, Any]


def repriced(rows: Sequence[Json], old: Json, new: Json) -> list[Json]:
    """The rows of a comparison with the gates of another report.

    Parameters
    ----------
    rows
        As ``shiftbook compare`` stores them.
    old, new
        Gate reports: that of the comparison, and the one to take.

    Raises
    ------
    ShiftbookError
        An engine is not in both reports, or has another spec or other gates than the comparison says.
    """
    for row in rows:
        before, after = (_engine(report, row["engine"]) for report in (old, new))
        both = before["spec"].keys() & after["spec"].keys()  # others are of features that came in between
        if any(before["spec"][field] != after["spec"][field] for field in both):
            raise ShiftbookError(
                f"engine {row['engine']} has another spec than before, so that the cycles of "
                f"{row['checkpoint']} must be measured anew"
            )
        if row["ge"] != before["total_ge"]:
            raise ShiftbookError(
                f"{row['checkpoint']} was compared with {row['ge']} gates of engine {row['engine']}, and the "
                f"old report has {before['total_ge']}: name the report that it was compared with"
            )
    return relate([{**row, **_prices(row, _engine(new, row["engine"]))} for row in rows])


def _prices(row: Json, engine: Json) -> Json:
    """What an engine costs: what the row had, and totals wherever the report has them."""
    totals = (*TOTALS, "accelerator_whole_ge") if "accelerator_ge" in row else TOTALS
    return {
        **{field: engine[name] for field, name in PRICES.items() if field in row},
        **{field: engine[field] for field in totals if field in engine},
    }


def _engine(report: Json, name: str) -> Json:
    if name not in report["engines"]:
        raise ShiftbookError(
            f"engine {name} is not in a gate report, which has {', '.join(report['engines'])}"
        )
    found: Json = report["engines"][name]
    return found


def main() -> None:
    """Write each comparison anew."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path, help="gate report of the comparisons")
    parser.add_argument("new", type=Path, help="gate report to take")
    parser.add_argument("comparisons", type=Path, nargs="+", help="JSON of shiftbook compare")
    options = parser.parse_args()
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (options.old, options.new))
    for path in options.comparisons:
        result = json.loads(path.read_text(encoding="utf-8"))
        result["rows"] = repriced(result["rows"], old, new)
        write_json(path, result)
        print(path)


if __name__ == "__main__":
    start(main)
