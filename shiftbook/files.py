"""Output files: checked before the long work starts, and written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from golden.checkpoint import write_atomically
from golden.errors import ShiftbookError


def check_writable(*paths: Path | None) -> None:
    """Say before the long work, not after it, that its result cannot be written.

    Raises
    ------
    ShiftbookError
        One of ``paths`` cannot be written; None stands for an output that nobody asked for.
    """
    for path in paths:
        if path is None:
            continue
        folder = path.absolute().parent
        if path.is_dir():
            raise ShiftbookError(f"cannot write {path}: it is a folder; name a file")
        if not folder.is_dir():
            raise ShiftbookError(f"cannot write {path}: there is no folder {folder}; make it first")
        if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
            raise ShiftbookError(f"cannot write {path}: permission denied; choose another place")


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, unless it is there.

    Raises
    ------
    ShiftbookError
        It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ShiftbookError(
            f"cannot make the folder {path}: {error.strerror}; choose another place"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically.

    Raises
    ------
    ShiftbookError
        It cannot be written; nothing is left behind then.
    """
    write_atomically(path, text.encode())


def write_json(path: Path | None, report: Mapping[str, object]) -> None:
    """Write a report as indented JSON; None means that nobody asked for it."""
    if path is not None:
        write_text(path, json.dumps(report, indent=1) + "\n")
