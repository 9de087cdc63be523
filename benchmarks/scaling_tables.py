"""The tables of `benchmarks.scaling`: engines of 256 and of 1,024 terms, and their rivals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from benchmarks.markdown import Column, Json, count, markdown, ratio
from shiftbook.golden.spec import DEFAULT

Key = tuple[str, int, str, int, int, int]


def scaled(results: Sequence[Json]) -> str:
    """Cycles of each network, and their gates x cycles over the first engine's."""
    rows = _of_kind(results, "shift4")
    cells = {(_key(row), row["network"]): row for row in rows}
    shown = list({_key(row): {**row, "key": _key(row)} for row in rows}.values())
    networks = list(dict.fromkeys(row["network"] for row in rows))
    base = shown[0]["key"]

    def relative(key: Key, network: str) -> float:
        return float(cells[key, network]["product"] / cells[base, network]["product"])

    def of(network: str) -> Callable[[Json], str]:
        def cell(row: Json) -> str:
            found = cells.get((row["key"], network))
            return f"{found['cycles']:,} ({relative(row['key'], network):.2f})" if found else "cannot run"

        return cell

    def mean(row: Json) -> str:
        run = [network for network in networks if (row["key"], network) in cells]
        if len(run) < len(networks):
            return ""
        return f"{math.exp(sum(math.log(relative(row['key'], name)) for name in run) / len(run)):.3f}"

    return markdown(
        [
            *_columns(),
            Column("GE", count("ge")),
            *(Column(name, of(name)) for name in networks),
            Column("mean", mean),
        ],
        shown,
    )


def scaled_spent(results: Sequence[Json]) -> str:
    """Where the lane-slot-cycles of each network go on the engine with the fewest cycles of each size."""
    rows = _of_kind(results, "shift4")

    def share(*parts: str) -> Callable[[Json], str]:
        return lambda row: f"{100 * sum(row['spent'][p] for p in parts) / sum(row['spent'].values()):.1f} %"

    columns = [
        Column("network", lambda row: str(row["network"])),
        *_columns(),
        Column("cycles", count("cycles")),
        Column("useful", share("useful")),
        Column("idle", share("idle")),
        Column("drain, slot wait", share("drain", "slot_wait")),
        Column("skips", share("skips")),
        Column("bus", share("bus")),
        Column("fill", share("fill")),
        Column("layers of one pixel", lambda row: f"{100 * row['single_pixel']:.1f} %"),
    ]
    fastest = [min(own, key=lambda row: row["cycles"]) for own in _each(rows)]
    return markdown(columns, fastest)


def scaled_rivals(results: Sequence[Json]) -> str:
    """The best engine of each network and size over the best dense int8 engine of as many terms.

    Both have the default's bus, whose gates are not in the product.
    """
    usual = {
        kind: [row for row in _of_kind(results, kind) if row["bus"] == DEFAULT.bus_bytes]
        for kind in ("int8", "shift4")
    }
    dense = {_group(own[0]): min(own, key=_product) for own in _each(usual["int8"])}
    shown = []
    for own in _each(usual["shift4"]):
        best, rival = min(own, key=_product), dense[_group(own[0])]
        shown.append({**best, "rival": rival, "over": _product(best) / _product(rival)})
    columns = [
        Column("network", lambda row: str(row["network"])),
        *_columns(),
        Column("cycles", count("cycles")),
        Column("best dense int8: lanes, slots, requantizers", lambda row: _named(row["rival"])),
        Column("its cycles", lambda row: f"{row['rival']['cycles']:,}"),
        Column("gates x cycles over it", ratio("over")),
    ]
    return markdown(columns, shown)


def _of_kind(results: Sequence[Json], kind: str) -> list[Json]:
    (result,) = results
    return [row for row in result["rows"] if row["kind"] == kind]


def _key(row: Json) -> Key:
    return row["kind"], row["terms"], _lanes(row), row["slots"], row["requantizers"], row["bus"]


def _group(row: Json) -> tuple[str, int]:
    return row["network"], row["terms"]


def _each(rows: Sequence[Json]) -> list[list[Json]]:
    """Rows of each network and number of terms."""
    groups = dict.fromkeys(map(_group, rows))
    return [[row for row in rows if _group(row) == group] for group in groups]


def _product(row: Json) -> float:
    return float(row["product"])


def _lanes(row: Json) -> str:
    return f"{row['rows']}x{row['cols']}"


def _named(row: Json) -> str:
    return f"{_lanes(row)}, {row['slots']}, {row['requantizers']}"


def _columns() -> list[Column]:
    return [
        Column("terms", count("terms")),
        Column("lanes", _lanes),
        Column("slots", count("slots")),
        Column("requantizers", count("requantizers")),
        Column("bus", count("bus")),
    ]
