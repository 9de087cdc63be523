"""The tables of `shiftbook energy`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from benchmarks.markdown import Column, Json, count, markdown, name_of, number


def energies(results: Sequence[Json]) -> str:
    """Networks on engines; the last column is over the first row of the same products."""
    first = {row["macs"]: row for row in reversed(results)}
    columns = [
        Column("checkpoint", name_of),
        Column("preset, lanes", lambda row: f"`{row['preset']}`, {row['lanes']}"),
        Column("cycles", count("cycles")),
        Column("uJ an image", lambda row: f"{row['pj'] / 1e6:.3f}"),
        Column("pJ a cycle", lambda row: f"{row['pj'] / row['cycles']:.1f}"),
        Column("pJ per MAC", lambda row: f"{row['pj'] / row['macs']:.3f}"),
        Column("share of the banks", _banks),
        Column("relative to dense int8", lambda row: f"{row['pj'] / first[row['macs']]['pj']:.3f}"),
    ]
    return markdown(columns, results)


def _banks(row: Json) -> str:
    """Share of the activation banks."""
    banks = sum(memory["pj"] for memory in row["memories"] if memory["name"] == "activation banks")
    return f"{100 * banks / row['pj']:.0f} %"


def energy_memories(results: Sequence[Json]) -> str:
    """The memories of one report that are macros."""
    columns = [
        Column("memory", lambda row: str(row["name"])),
        Column("count", count("count")),
        Column("words x bits", lambda row: f"{row['words']:,} x {row['bits']}"),
        Column("reads", count("reads")),
        Column("writes", count("writes")),
        Column("pJ a read", number("read_pj", 3)),
        Column("nJ an image", lambda row: f"{row['pj'] / 1e3:,.1f}"),
    ]
    return markdown(columns, [row for row in results[0]["memories"] if row["pj"] is not None])


def energy_totals(results: Sequence[Json]) -> str:
    """Networks on engines, memories and logic; the last column is over the first row of the same products."""
    first = {row["macs"]: row for row in reversed(results)}
    columns = [
        Column("checkpoint", name_of),
        Column("preset, lanes", lambda row: f"`{row['preset']}`, {row['lanes']}"),
        Column("memories, uJ", lambda row: f"{row['pj'] / 1e6:.3f}"),
        Column("logic (no glitches), uJ", lambda row: f"{row['logic']['settled_pj'] / 1e6:.3f}"),
        Column("logic, uJ", lambda row: f"{row['logic']['pj'] / 1e6:.3f}"),
        Column(
            "share of the clock in logic",
            lambda row: f"{100 * row['logic']['clock_pj'] / row['logic']['pj']:.0f} %",
        ),
        Column("standard error", lambda row: f"{100 * row['logic']['error']:.1f} %"),
        Column("total, uJ", lambda row: f"{row['total_pj'] / 1e6:.3f}"),
        Column("pJ per MAC", lambda row: f"{row['total_pj'] / row['macs']:.3f}"),
        Column("share of memories in total", lambda row: f"{100 * row['pj'] / row['total_pj']:.0f} %"),
        Column(
            "relative to dense int8", lambda row: f"{row['total_pj'] / first[row['macs']]['total_pj']:.3f}"
        ),
    ]
    return markdown(columns, results)


def silicon(results: Sequence[Json]) -> str:
    """Area, clock and energy together, of `shiftbook gates --tech` and `shiftbook energy`.

    What is relative is over the first row of the same products. Areas are the engine's, energy is the
    accelerator's.
    """
    report, *energies = results
    rows = [{**report["engines"][row["preset"]], **row} for row in energies]
    for row in rows:
        row["time"] = row["cycles"] * row["delay"]
        row["total_cycles"] = row["whole_area"] * row["cycles"]
        row["total_time"] = row["whole_area"] * row["time"]
    first = {row["macs"]: row for row in reversed(rows)}

    def relative(field: str) -> Callable[[Json], str]:
        return lambda row: f"{row[field] / first[row['macs']][field]:.3f}"

    columns = [
        Column("checkpoint", name_of),
        Column("engine", lambda row: f"`{row['preset']}`"),
        Column("logic, um2", number("total_area", 0)),
        Column("memories, um2", number("memory_area", 0)),
        Column("total, um2", number("whole_area", 0)),
        Column("period, ps", number("delay", 0)),
        Column("cycles", count("cycles")),
        Column("total x cycles", relative("total_cycles")),
        Column("total x cycles x period", relative("total_time")),
        Column("uJ an image", lambda row: f"{row['total_pj'] / 1e6:.3f}"),
        Column("energy", relative("total_pj")),
    ]
    return markdown(columns, rows)


MODULES = 12
"""Rows of the table of modules; the others are one row together."""


def energy_modules(results: Sequence[Json]) -> str:
    """What the modules of some engines take; numbered variants of a module are one."""
    sums = [_by_module(result) for result in results]
    names = sorted(
        {name for each in sums for name in each}, key=lambda name: -sum(s.get(name, 0) for s in sums)
    )
    rows = [{"name": name, "pj": [each.get(name) for each in sums]} for name in names[:MODULES]]
    rest = [sum(each.get(name, 0.0) for name in names[MODULES:]) for each in sums]
    rows.append({"name": f"{len(names) - MODULES} others", "pj": rest})
    columns = [Column("module", lambda row: str(row["name"]))]
    for place, result in enumerate(results):
        columns.append(Column(f"{name_of(result)}, nJ", _nanojoules(place)))
    return markdown(columns, rows)


def _by_module(result: Json) -> dict[str, float]:
    """Picojoules of each module by its plain name."""
    found: dict[str, float] = {}
    for module in result["logic"]["modules"]:
        name = re.sub(r"_v[0-9]+$", "", module["name"]).replace("_", " ")
        name = "lanes" if name.endswith(" lane") else name
        found[name] = found.get(name, 0.0) + module["pj"]
    return found


def _nanojoules(place: int) -> Callable[[Json], str]:
    return lambda row: "" if row["pj"][place] is None else f"{row['pj'][place] / 1e3:,.1f}"
