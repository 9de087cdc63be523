"""Output files: checked before the long work starts, and written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
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


def check_folder_writable(folder: Path, names: Iterable[str]) -> None:
    """Make a folder unless it is there, and say before the long work that ``names`` cannot be written there.

    Parameters
    ----------
    folder
        Where the files will be.
    names
        Of the files, with the folders below ``folder`` that they are in.

    Raises
    ------
    ShiftbookError
        A folder cannot be made, or a file cannot be written.
    """
    paths = [folder / name for name in names]
    for parent in dict.fromkeys([folder, *(path.parent for path in paths)]):
        make_folder(parent)
    check_writable(*paths)


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files that belong together: all of them are on the disk before the first takes its place.

    Parameters
    ----------
    folder
        See `check_folder_writable`, which comes first.
    contents
        Of each file, by its name.

    Raises
    ------
    ShiftbookError
        They cannot be written; nothing is left behind then, and files that were there are untouched.
    """
    try:
        staged = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
    except OSError as error:
        raise ShiftbookError(f"cannot write to {folder}: {error.strerror}; choose another place") from error
    try:
        for name, content in contents.items():
            make_folder((staged / name).parent)
            write_atomically(staged / name, content)
        for name in contents:
            (staged / name).replace(folder / name)
    except OSError as error:
        raise ShiftbookError(f"cannot write to {folder}: {error.strerror}; choose another place") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically.

    Raises
    ------
    ShiftbookError
        It cannot be written; nothing is left behind then.
    """
    write_atomically(path, text.encode())


def json_text(report: Mapping[str, object]) -> str:
    """A report as indented JSON."""
    return json.dumps(report, indent=1) + "\n"


def write_json(path: Path | None, report: Mapping[str, object]) -> None:
    """Write a report as indented JSON; None means that nobody asked for it."""
    if path is not None:
        write_text(path, json_text(report))
