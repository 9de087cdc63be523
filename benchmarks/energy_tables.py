"""The tables of `shiftbook energy`."""

from __future__ import annotations

from collections.abc import Sequence

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
