"""`shiftbook energy` of several checkpoints: area, clock and energy side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shiftbook.api.logic_energy import Sampling
from shiftbook.api.silicon_rows import OnEngine, areas_of, as_json, check, energy_of, relate
from shiftbook.console import Progress, table
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import in_place
from shiftbook.results.silicon import Silicon
from shiftbook.results.writing import write_result
from shiftbook.silicon_file import key_of, rows_of
from shiftbook.study.keys import file_digest
from shiftbook.synth.technologies.technology import technology as technology_of

Json = dict[str, Any]


def silicon_rows(
    rows: Sequence[OnEngine],
    technology: str,
    sampling: Sampling | None,
    data: str | None,
    json_file: Path | None,
    progress: Progress,
) -> list[Json]:
    """Count rows and write each as soon as it is counted; those that the file has are taken from there.

    Parameters
    ----------
    rows
        Named after the files of their checkpoints.
    technology
        Areas are counted where its cell library is on this machine.
    data
        Where the images come from, as the file says it.

    Raises
    ------
    ShiftbookError, sim.driver.Mismatch, sim.simulator.SimulationError, synth.power.replay.Difference
        See `shiftbook.api.silicon.silicon`.
    """
    check(rows, sampling)
    library = _library(technology)
    keys = [key_of(row, Path(row.checkpoint), technology, library, sampling) for row in rows]
    known = rows_of(json_file)
    missing = {row.spec: row.engine for row, key in zip(rows, keys, strict=True) if key not in known}
    areas = areas_of(missing if library else {}, technology, progress)
    found: list[Json] = []
    for row, key in zip(rows, keys, strict=True):
        if key not in known:
            counted = energy_of(row, technology, sampling, progress)
            known[key] = {"key": key, "data": data, **as_json(row, areas.get(row.spec), counted)}
            _keep(json_file, [known[each] for each in keys if each in known])
        names = {"checkpoint": row.checkpoint, "preset": row.engine, "data": data}
        found.append({**known[key], **names})
    found = relate(found)
    write_result(json_file, Silicon, {"rows": found})
    return found


def _library(technology: str) -> dict[str, str]:
    """Digests of the files of a cell library; none where it is not on this machine."""
    try:
        return {path.name: file_digest(path) for path in technology_of(technology).library()}
    except ShiftbookError:
        return {}


def _keep(file: Path | None, rows: Sequence[Json]) -> None:
    """Write what is counted so far, where the next rows can replace it: not into a pipe."""
    if file is not None and not in_place(file):
        write_result(file, Silicon, {"rows": relate(rows)})


def silicon_table(rows: Sequence[Json]) -> str:
    """The rows for people; a column stands where all rows have it."""
    columns = {
        "checkpoint": [Path(row["checkpoint"]).name for row in rows],
        "engine": [row["preset"] for row in rows],
        "bank words": [row["tile_words"] for row in rows],
        "logic, um2": [_whole(row["total_area"]) for row in rows],
        "memories, um2": [_whole(row["memory_area"]) for row in rows],
        "total, um2": [_whole(row["whole_area"]) for row in rows],
        "period, ps": [_whole(row["delay"]) for row in rows],
        "cycles": [row["cycles"] for row in rows],
        "total x cycles": [row["area_relative"] for row in rows],
        "x period": [row["timed_relative"] for row in rows],
        "memories, uJ/image": [row["pj"] / 1e6 for row in rows],
        "x first": [row["memory_relative"] for row in rows],
        "logic, uJ/image": [row["logic"] and row["logic"]["pj"] / 1e6 for row in rows],
        "together, uJ/image": [row["total_pj"] and row["total_pj"] / 1e6 for row in rows],
        "energy": [row["energy_relative"] for row in rows],
    }
    shown = {name: cells for name, cells in columns.items() if None not in cells}
    note = (
        "what is relative is over the first row; area and period are the engine's, energy the accelerator's"
    )
    return f"{table(list(shown), list(zip(*shown.values(), strict=True)))}\n{note}"


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
