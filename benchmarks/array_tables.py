"""The tables of `benchmarks.dense_arrays`: the best arrays of each network, and engines over them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.markdown import Column, Json, count, markdown, name_of, number, ratio
from shiftbook.golden.spec import PRESETS

SHOWN_ARRAYS = 3
"""Arrays of each network that the document shows, from the best on."""


NARROW = "shift4"
"""The preset that is set against the arrays."""

COMPARED = "resnet20"
"""The network of the comparisons."""


def arrays(results: Sequence[Json]) -> str:
    """Of `benchmarks.dense_arrays`: the best arrays of each network."""
    (result,) = results
    shown: list[Json] = []
    for network in dict.fromkeys(row["network"] for row in result["rows"]):
        shown += [row for row in result["rows"] if row["network"] == network][:SHOWN_ARRAYS]
    columns = [
        Column("network", lambda row: str(row["network"])),
        Column("pixels x outputs x inputs", _shape),
        Column("requantizers", count("requantizers")),
        Column("lane, GE", count("lane_ge")),
        Column("array, GE", count("ge")),
        Column("cycles", count("cycles")),
        Column("10^9 GE x cycles", lambda row: f"{row['product'] / 1e9:.2f}"),
        Column("to the best", number("relative", 3)),
    ]
    return markdown(columns, shown)


def arrays_over(results: Sequence[Json]) -> str:
    """Of `benchmarks.dense_arrays` and `benchmarks.output_groups`: arrays and engines of as many terms."""
    found, groups = results
    shown = []
    for best in (row for row in found["rows"] if row["relative"] == 1):
        section = best["network"], found["terms"], found["bus"]
        own = [row for row in groups["rows"] if (row["network"], row["terms"], row["bus"]) == section]
        dense = min(_product(row) for row in own if row["kind"] == "int8")
        narrow = min(_product(row) for row in own if row["kind"] == NARROW)
        today = next(row for row in own if row["kind"] == NARROW and _is_preset(row))
        shown.append(
            {
                **best,
                "over_dense": best["product"] / dense,
                "today": today["cycles"],
                "today_over_dense": _product(today) / dense,
                "today_over": _product(today) / best["product"],
                "narrow_over": narrow / best["product"],
            }
        )
    columns = [
        Column("network", lambda row: str(row["network"])),
        Column("best array", _shape),
        Column("its cycles", count("cycles")),
        Column("over the best dense int8 engine", ratio("over_dense")),
        Column("`shift4`, cycles", count("today")),
        Column("over the best dense int8 engine", ratio("today_over_dense")),
        Column("over the best array", ratio("today_over")),
        Column("best design of its lanes, over the best array", ratio("narrow_over")),
    ]
    return markdown(columns, shown)


def arrays_whole(results: Sequence[Json]) -> str:
    """Of `benchmarks.dense_arrays`, `gates --liberty` and `compare`: with memories, over the best array."""
    found, report, *comparisons = results
    rival = min((row for row in found["rows"] if row["network"] == COMPARED), key=_whole)
    shown = [
        {
            "name": f"dense array, {_shape(rival)}",
            **{key: rival[key] for key in ("cycles", "ge", "whole_ge")},
        }
    ]
    for row in (row for comparison in comparisons for row in comparison["rows"]):
        engine = report["engines"][row["engine"]]
        shown.append(
            {
                "name": f"{name_of(row)} on `{row['engine']}`",
                "cycles": row["cycles"],
                "ge": engine["total_ge"],
                "whole_ge": engine["whole_ge"],
            }
        )
    shown = [{**row, "over": _whole(row) / _whole(rival)} for row in shown]
    columns = [
        Column("network and engine", lambda row: str(row["name"])),
        Column("cycles", count("cycles")),
        Column("logic, GE", count("ge")),
        Column("with memories, GE", count("whole_ge")),
        Column("with memories x cycles, over the array", ratio("over")),
    ]
    return markdown(columns, shown)


def _whole(row: Json) -> float:
    return float(row["whole_ge"] * row["cycles"])


def _is_preset(row: Json) -> bool:
    """Whether a row of `benchmarks.output_groups` is the preset as it is."""
    spec = PRESETS[NARROW]
    grid = spec.rows, spec.cols, spec.slots, spec.requantizers, 1
    return tuple(row[name] for name in ("rows", "cols", "slots", "requantizers", "groups")) == grid


def _product(row: Json) -> float:
    return float(row["ge"] * row["cycles"])


def _shape(row: Json) -> str:
    return f"{row['pixels']}x{row['outputs']}x{row['inputs']}"
