"""The results in a folder: each JSON file told apart by its content, or skipped for a reason."""

from __future__ import annotations

import errno
import itertools
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, TypeVar

from pydantic import ValidationError

from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.golden.inputs import shown, unreadable
from shiftbook.golden.limits import limits
from shiftbook.golden.strict_json import parse
from shiftbook.results.base import Record, printable
from shiftbook.results.commands import COMMANDS
from shiftbook.results.writing import first_problem

R = TypeVar("R", bound=Record)

CHECKPOINT = ".ckpt"


@dataclass(frozen=True)
class Result:
    """A file and what is in it.

    Attributes
    ----------
    file
        Its name.
    slug
        Letters, digits and dashes that no other result has: for names of plots.
    command
        That wrote it.
    """

    file: str
    slug: str
    command: str
    content: Record


@dataclass(frozen=True)
class Results:
    """All of a folder, by the files' names.

    Attributes
    ----------
    skipped
        Files that gave no result, and why.
    """

    found: tuple[Result, ...]
    skipped: tuple[tuple[str, str], ...]

    def of(self, record: type[R]) -> list[tuple[Result, R]]:
        """The results of one command."""
        return [(each, each.content) for each in self.found if isinstance(each.content, record)]


def read_folder(folder: Path) -> Results:
    """Read every JSON file of a folder, not those of its folders.

    Raises
    ------
    ShiftbookError
        It is no folder, cannot be read, or holds no result.
    """
    if not os.path.isdir(folder):
        reason = unreadable(folder)
        usual = {None: "is a file", os.strerror(errno.ENOENT): "is not there"}
        there = usual.get(reason, f"cannot be read, {reason}")
        raise ShiftbookError(f"{shown(folder)} {there}: name the folder with the results that --json wrote")
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except OSError as error:
        raise ShiftbookError(f"cannot read {folder}: {error.strerror}") from error
    found: list[Result] = []
    skipped: list[tuple[str, str]] = []
    for path in files:
        try:
            command, content = read_result(path)
        except ShiftbookError as error:
            skipped.append((printable(path.name), printable(str(error))))
        else:
            slug = _slug(path.stem, {result.slug for result in found})
            found.append(Result(printable(path.name), slug, command, content))
    if not found:
        first = f"; {skipped[0][0]}: {skipped[0][1]}" if skipped else ""
        known = ", ".join(COMMANDS)
        raise ShiftbookError(f"{folder} holds no result: write some there with --json FILE ({known}){first}")
    return Results(tuple(found), tuple(skipped))


def read_result(path: Path) -> tuple[str, Record]:
    """The command that wrote a file, and what it says.

    Raises
    ------
    ShiftbookError
        The file cannot be read, is no JSON, is of no such command, or lacks something.
    """
    reason = unreadable(path)
    if reason is not None:
        raise ShiftbookError(f"cannot be read: {reason}")
    try:
        limits().check("too many bytes", "json_bytes", path.stat().st_size)
        values: Any = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ShiftbookError(f"cannot be read: {error.strerror}") from error
    except ShiftbookError:
        raise
    except (ValueError, RecursionError) as error:
        raise ShiftbookError(f"no JSON: {first_line(error)}") from error
    fields = values.keys() if isinstance(values, dict) else ()
    command = next((name for name, kind in COMMANDS.items() if kind.marks <= set(fields)), None)
    if command is None:
        raise ShiftbookError(f"not what {', '.join(COMMANDS)} write")
    try:
        return command, COMMANDS[command].record.model_validate(values, extra="ignore")
    except ValidationError as error:
        raise ShiftbookError(
            f"not quite what {command} writes: {first_problem(error)}; write it again with this shiftbook"
        ) from error


def _slug(text: str, taken: Collection[str]) -> str:
    """The text as a name that is not taken."""
    base = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-") or "result"
    names = itertools.chain([base], (f"{base}-{number}" for number in itertools.count(2)))
    return next(name for name in names if name not in taken)


def short_names(checkpoints: Iterable[str]) -> list[str]:
    """The files' names without ``.ckpt``; the whole path of those that would have the same."""
    paths = list(checkpoints)
    names = [PurePath(path).name.removesuffix(CHECKPOINT) for path in paths]
    often = Counter(names)
    return [name if often[name] == 1 else path for name, path in zip(names, paths, strict=True)]
