"""The tables of `shiftbook energy`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from benchmarks.markdown import Column, Json, count, markdown, name_of, number


def _rows_of(results: Sequence[Json]) -> list[Json]:
    """The rows of reports of several checkpoints; a report of one is a row."""
    return [row for result in results for row in result.get("rows", [result])]


def energies(results: Sequence[Json]) -> str:
    """Networks on engines; the last column is over the first row of the same products."""
    rows = _rows_of(results)
    first = {row["macs"]: row for row in reversed(rows)}
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
    return markdown(columns, rows)


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
    return markdown(columns, [row for row in _rows_of(results)[0]["memories"] if row["pj"] is not None])


def energy_totals(results: Sequence[Json]) -> str:
    """Networks on engines, memories and logic; the last column is over the first row of the same products."""
    rows = _rows_of(results)
    first = {row["macs"]: row for row in reversed(rows)}
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
    return markdown(columns, rows)


def silicon(results: Sequence[Json]) -> str:
    """Area, clock and energy together, of `shiftbook energy` with several checkpoints.

    A report of one checkpoint takes the area of a row before it with the same preset. Reports of
    `benchmarks.dense_arrays --tech` give the best array of each network, without energy. What is relative is
    over the first row of the same products; an array is named after the row that has these.
    """
    rows: list[Json] = []
    for result in results:
        found = _arrays_of(result, rows) if "terms" in result else result.get("rows", [result])
        rows += [row if "whole_area" in row else {**_area_of(row, rows), **row} for row in found]
    for row in rows:
        row["total_cycles"] = row["whole_area"] * row["cycles"]
        row["total_time"] = row["total_cycles"] * row["delay"]
    first = {row["macs"]: row for row in reversed(rows)}

    def relative(field: str) -> Callable[[Json], str]:
        return lambda row: "" if row[field] is None else f"{row[field] / first[row['macs']][field]:.3f}"

    def microjoules(field: str) -> Callable[[Json], str]:
        return lambda row: "" if row[field] is None else f"{row[field] / 1e6:.3f}"

    columns = [
        Column("checkpoint", name_of),
        Column("engine", lambda row: str(row.get("shown") or f"`{row['preset']}`")),
        Column("words of a bank", count("tile_words")),
        Column("logic, um2", number("total_area", 0)),
        Column("memories, um2", number("memory_area", 0)),
        Column("total, um2", number("whole_area", 0)),
        Column("period, ps", number("delay", 0)),
        Column("cycles", count("cycles")),
        Column("total x cycles", relative("total_cycles")),
        Column("total x cycles x period", relative("total_time")),
        Column("memories, uJ", microjoules("pj")),
        Column("with logic, uJ", microjoules("total_pj")),
        Column("energy", relative("total_pj")),
    ]
    return markdown(columns, rows)


def _area_of(row: Json, before: Sequence[Json]) -> Json:
    """What a row before says of the same engine."""
    same = next(each for each in before if each.get("preset") == row["preset"])
    return {name: same[name] for name in ("tile_words", "total_area", "memory_area", "whole_area", "delay")}


def _arrays_of(study: Json, before: Sequence[Json]) -> list[Json]:
    """The array whose total area x cycles are least, for each network of the study that a row before has."""
    found = []
    bases = {name_of(row): row for row in before}
    for network in dict.fromkeys(row["network"] for row in study["rows"] if row["network"] in bases):
        own = [row for row in study["rows"] if row["network"] == network]
        best = min(own, key=lambda row: row["whole_area"] * row["cycles"])
        base = bases[network]
        shape = f"{best['pixels']}x{best['outputs']}x{best['inputs']}"
        named = {"checkpoint": base["checkpoint"], "macs": base["macs"], "shown": f"dense array {shape}"}
        found.append({**best, **named, "tile_words": None, "pj": None, "total_pj": None})
    return found


MODULES = 12
"""Rows of the table of modules; the others are one row together."""


def energy_modules(results: Sequence[Json]) -> str:
    """What the modules of some engines take; numbered variants of a module are one."""
    engines = _rows_of(results)
    sums = [_by_module(row) for row in engines]
    names = sorted(
        {name for each in sums for name in each}, key=lambda name: -sum(s.get(name, 0) for s in sums)
    )
    rows: list[Json] = [{"name": name, "pj": [each.get(name) for each in sums]} for name in names[:MODULES]]
    rest = [sum(each.get(name, 0.0) for name in names[MODULES:]) for each in sums]
    rows.append({"name": f"{len(names) - MODULES} others", "pj": rest})
    columns = [Column("module", lambda row: str(row["name"]))]
    for place, row in enumerate(engines):
        columns.append(Column(f"{name_of(row)}, nJ", _nanojoules(place)))
    return markdown(columns, rows)


def _by_module(row: Json) -> dict[str, float]:
    """Picojoules of each module by its plain name."""
    found: dict[str, float] = {}
    for module in row["logic"]["modules"]:
        name = re.sub(r"_v[0-9]+$", "", module["name"]).replace("_", " ")
        name = "lanes" if name.endswith(" lane") else name
        found[name] = found.get(name, 0.0) + module["pj"]
    return found


def _nanojoules(place: int) -> Callable[[Json], str]:
    return lambda row: "" if row["pj"][place] is None else f"{row['pj'][place] / 1e3:,.1f}"
