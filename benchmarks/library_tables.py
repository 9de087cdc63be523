"""Tables of engines in cell libraries: area with memories, and delay."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks.markdown import Column, Json, count, markdown, name_of, number, percent, ratio

TOTALS = {
    "logic_cycles": ("total_area", "cycles"),
    "total_cycles": ("whole_area", "cycles"),
    "timed": ("whole_area", "cycles", "delay"),
}
"""Products of a network on an engine that are related to the first."""


def cells(results: Sequence[Json]) -> str:
    """Of `shiftbook gates --liberty`: engines in square micrometres and picoseconds."""
    (report,) = results
    rows = []
    for name, engine in report["engines"].items():
        relative = report["ratios"].get(name, {})
        more = {"lane_ratio": relative.get("lane_area"), "engine_ratio": relative.get("area")}
        rows.append({"name": name, **engine, **more, "whole_ratio": relative.get("whole_area")})
    columns = [
        Column("engine", lambda row: f"`{row['name']}`"),
        Column("total, um2", number("whole_area", 0)),
        Column("x int8", ratio("whole_ratio")),
        Column("logic, um2", number("total_area", 1)),
        Column("x int8", ratio("engine_ratio")),
        Column("memories, um2", number("memory_area", 0)),
        Column("lane, um2", number("lane_area", 1)),
        Column("x int8", ratio("lane_ratio")),
        Column("lane, ps", number("lane_delay", 0)),
        Column("slowest, ps", number("delay", 0)),
    ]
    return markdown(columns, rows)


def totals(results: Sequence[Json]) -> str:
    """Of `shiftbook gates --tech` and `shiftbook compare`: networks by logic, total area and clock."""
    report, *comparisons = results
    rows: list[Json] = []
    for row in (row for comparison in comparisons for row in comparison["rows"]):
        engine = report["engines"][row["engine"]]
        found = {**row, **{key: engine[key] for key in ("total_area", "whole_area", "delay")}}
        if all(row["checkpoint"] != other["checkpoint"] for other in rows):
            rows.append(found)
    for row in rows:
        for name, fields in TOTALS.items():
            row[name] = math.prod(row[f] for f in fields) / math.prod(rows[0][f] for f in fields)
    columns = [
        Column("checkpoint", name_of),
        Column("scheme", lambda row: str(row["scheme"])),
        Column("accuracy", percent("accuracy")),
        Column("engine", lambda row: f"`{row['engine']}`"),
        Column("cycles", count("cycles")),
        Column("total, um2", number("whole_area", 0)),
        Column("period, ps", number("delay", 0)),
        Column("logic x cycles", ratio("logic_cycles")),
        Column("total x cycles", ratio("total_cycles")),
        Column("total x cycles x period", ratio("timed")),
    ]
    return markdown(columns, rows)


def technologies(results: Sequence[Json]) -> str:
    """Of `shiftbook gates --tech`: the same engines in several technologies."""
    names = [set(report["engines"]) for report in results]
    rows = [
        {
            "technology": report["memories"],
            "name": name,
            **engine,
            "logic_ratio": report["ratios"][name]["area"],
            "whole_ratio": report["ratios"][name]["whole_area"],
        }
        for report in results
        for name, engine in report["engines"].items()
        if name in set.intersection(*names)
    ]
    columns = [
        Column("technology", lambda row: f"`{row['technology']}`"),
        Column("engine", lambda row: f"`{row['name']}`"),
        Column("total, um2", number("whole_area", 0)),
        Column("x int8", ratio("whole_ratio")),
        Column("logic, um2", number("total_area", 0)),
        Column("x int8", ratio("logic_ratio")),
        Column("memories, um2", number("memory_area", 0)),
        Column("lane, um2", number("lane_area", 0)),
        Column("slowest, ps", number("delay", 0)),
        Column("in", lambda row: str(row["delay_module"])),
    ]
    return markdown(columns, rows)


def peers(results: Sequence[Json]) -> str:
    """Published designs beside networks on our engines: products of the dense network, by area and energy."""
    report, comparison, published = results
    rows = [_own(row, report["engines"][row["engine"]]) for row in comparison["rows"]] + published["rows"]
    shrunk = published["area_to_7nm"]
    rows = [{**row, "at_7nm": row["gmacs_per_mm2"] / shrunk[str(row["node"])]} for row in rows]
    columns = [
        Column("design", lambda row: row["name"]),
        Column("node", lambda row: f"{row['node']} nm"),
        Column("what ran", lambda row: row["work"]),
        Column("what is counted", lambda row: row["extent"]),
        Column("GMAC/s/mm2", number("gmacs_per_mm2", 0)),
        Column("at 7 nm", number("at_7nm", 0)),
        Column("pJ per MAC", lambda row: "" if row["pj_per_mac"] is None else f"{row['pj_per_mac']:.2f}"),
        Column("source", lambda row: row["source"]),
    ]
    return markdown(columns, rows)


def _own(row: Json, engine: Json) -> Json:
    """A network on an engine of ours, in ASAP7: square micrometres and picoseconds."""
    seconds = row["cycles"] * engine["delay"] * 1e-12
    density = row["macs"] / seconds / 1e9 / (engine["whole_area"] * 1e-6)
    return {
        "name": f"shiftbook, `{row['engine']}`",
        "node": 7,
        "work": f"ResNet-20, {name_of(row)}, {row['cycles']:,} cycles of {engine['delay']:,.0f} ps",
        "extent": "engine and its memories, by a model",
        "gmacs_per_mm2": density,
        "pj_per_mac": None,
        "source": "[Area x cycles x period](gates.md#area-x-cycles-x-period)",
    }
