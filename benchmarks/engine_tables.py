"""The tables of the studies of engines: multiplier engines at their best, groups of lanes, pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.markdown import Column, Json, count, markdown, name_of, number, percent
from shiftbook.golden.spec import DEFAULT

SHOWN_RIVALS = 4
"""Settings of each multiplier engine that the document shows, from the best on."""

AGAINST = "resnet20"
"""The network of the checkpoints that are compared with the best engines for it."""


def rivals(results: Sequence[Json]) -> str:
    """Of `benchmarks.rivals`: the best settings of each multiplier engine, and its preset."""
    (result,) = results
    rows = []
    for engine in dict.fromkeys(row["engine"] for row in result["rows"]):
        own = [row for row in result["rows"] if row["engine"] == engine]
        rows += own[:SHOWN_RIVALS] + [row for row in own[SHOWN_RIVALS:] if row["preset"]]
    columns = [
        Column("engine", lambda row: f"`{row['engine']}`" + (", preset" if row["preset"] else "")),
        Column("lanes", lambda row: f"{row['rows']}x{row['cols']}"),
        Column("slots", count("slots")),
        Column("requantizers", count("requantizers")),
        Column("lane, GE", count("lane_ge")),
        Column("engine, GE", count("ge")),
        Column("cycles", count("cycles")),
        Column("10^9 GE x cycles", lambda row: f"{row['product'] / 1e9:.2f}"),
        Column("to the best", number("relative", 3)),
    ]
    return markdown(columns, rows)


def against(results: Sequence[Json]) -> str:
    """Of `benchmarks.rivals`, `benchmarks.dense_arrays` and `shiftbook compare`: checkpoints against the best
    multiplier engines.
    """
    studies = [result for result in results if "terms" in result]
    compared = [result for result in results if "terms" not in result]
    best = {
        row["engine"]: row["product"]
        for study in studies
        for row in study["rows"]
        if row["relative"] == 1 and row.get("network", AGAINST) == AGAINST
    }

    def to(engine: str) -> Column:
        kind, _, form = engine.partition("_")
        head = f"to the best {'sparse' if form == 'sparse' else 'dense'} {kind}{' array' * (form == 'array')}"
        return Column(head, lambda row: f"{row['gate_cycles'] / best[engine]:.3f}")

    columns = [
        Column("checkpoint", name_of),
        Column("engine", lambda row: f"`{row['engine']}`"),
        Column("accuracy", percent("accuracy")),
        Column("10^9 GE x cycles", lambda row: f"{row['gate_cycles'] / 1e9:.2f}"),
        *map(to, best),
    ]
    return markdown(columns, [row for result in compared for row in result["rows"]])


Key = tuple[Any, ...]

SHOWN_DESIGNS = 6
"""Designs of `benchmarks.output_groups` that the document shows for a number of terms and a bus."""


def design_of(row: Json) -> Key:
    """What tells the designs of `benchmarks.output_groups` apart; first the terms and the bus."""
    names = ("kind", "terms", "bus", "rows", "cols", "groups", "slots", "requantizers")
    return tuple(row[name] for name in names)


def means(rows: Sequence[Json], gates: str = "ge") -> dict[Key, float]:
    """Geometric mean of gates x cycles of each design that runs all networks."""
    networks = {row["network"] for row in rows}
    products: dict[Key, list[float]] = {}
    for row in rows:
        products.setdefault(design_of(row), []).append(row[gates] * row["cycles"])
    return {
        key: math.exp(sum(map(math.log, found)) / len(found))
        for key, found in products.items()
        if len(found) == len(networks)
    }


def _is_today(row: Json) -> bool:
    """Whether it is an engine that there is, with the preset's slots and cycles of a drain."""
    square = row["rows"] == row["cols"]
    return square and row["groups"] == 1 and (row["slots"], row["drain"]) == (DEFAULT.slots, 8)


def _chosen_designs(rows: Sequence[Json], kind: str) -> list[Key]:
    """Of each number of terms and bus: the engine that there is, and the best by the mean."""
    found = means([row for row in rows if row["kind"] == kind])
    today = {design_of(row) for row in rows if _is_today(row)}
    result: list[Key] = []
    for section in sorted({key[1:3] for key in found}):
        own = sorted((key for key in found if key[1:3] == section), key=found.__getitem__)
        result += [key for key in own if key in today]
        result += [key for key in own if key not in today][:SHOWN_DESIGNS]
    return result


def grouped(results: Sequence[Json]) -> str:
    """Of `benchmarks.output_groups`: the best designs, over the engine that there is of as many terms."""
    (result,) = results
    rows = result["rows"]
    cells = {(design_of(row), row["network"]): row for row in rows}
    there_is = [row for row in rows if row["kind"] == "shift4" and _is_today(row) and _usual(row)]
    today = {(row["terms"], row["network"]): row for row in there_is}
    base = {row["terms"]: design_of(row) for row in there_is}
    average = {gates: means(rows, gates) for gates in ("ge", "accelerator_ge")}
    shown = [{**_first(rows, key), "key": key} for key in _chosen_designs(rows, "shift4")]

    def of(network: str) -> Callable[[Json], str]:
        def cell(row: Json) -> str:
            here, there = cells[row["key"], network], today[row["terms"], network]
            relative = here["ge"] * here["cycles"] / (there["ge"] * there["cycles"])
            return f"{here['cycles']:,} ({relative:.2f})"

        return cell

    def mean(gates: str) -> Callable[[Json], str]:
        return lambda row: f"{average[gates][row['key']] / average[gates][base[row['terms']]]:.3f}"

    columns = [
        *_design_columns(),
        Column("GE", count("ge")),
        *(Column(name, of(name)) for name in dict.fromkeys(row["network"] for row in rows)),
        Column("mean", mean("ge")),
        Column("with buses", mean("accelerator_ge")),
    ]
    return markdown(columns, shown)


def _usual(row: Json) -> bool:
    return bool(row["bus"] == DEFAULT.bus_bytes)


def _first(rows: Sequence[Json], key: Key) -> Json:
    return next(row for row in rows if design_of(row) == key)


def _design_columns() -> list[Column]:
    return [
        Column("terms", count("terms")),
        Column("bus", count("bus")),
        Column("lanes", lambda row: f"{row['rows']}x{row['cols']}"),
        Column("groups", count("groups")),
        Column("slots", count("slots")),
        Column("requantizers", count("requantizers")),
    ]


def pairs(results: Sequence[Json]) -> str:
    """Of `benchmarks.pairs`: engines of paired output channels and close rotators."""
    (result,) = results
    columns = [
        Column("engine", lambda row: str(row["engine"])),
        Column("terms", count("terms")),
        Column("GE", count("ge")),
        Column("GE per term", count("ge_per_term")),
    ]
    return markdown(columns, result["rows"])
