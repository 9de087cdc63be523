"""What is read: looked at before it is opened, so that nothing waits for a FIFO and a refusal is one line."""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.golden.limits import limits
from shiftbook.golden.strict_json import parse

LONGEST_PATH = 512
"""Characters of a path that a message shows."""

KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def shown(path: str | os.PathLike[str]) -> str:
    """A path for messages: of a very long one the beginning, and how long it is."""
    text = os.fspath(path)
    if len(text) <= LONGEST_PATH:
        return text
    return f"{text[:LONGEST_PATH]}... ({len(text):,} characters)"


def unreadable(path: str | os.PathLike[str]) -> str | None:
    """Why the path leads to no regular file; None where it does. Nothing is opened."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return error.strerror or str(error)
    except ValueError as error:  # a NUL in it
        return str(error)
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISDIR(mode):
        return os.strerror(errno.EISDIR)
    return f"it is {KINDS.get(stat.S_IFMT(mode), 'something else')}, not a regular file"


def check_file(path: str | os.PathLike[str], hint: str) -> None:
    """Refuse what is not a regular file.

    Parameters
    ----------
    path
        Links are followed.
    hint
        What would be right: it ends the message.

    Raises
    ------
    ShiftbookError
        There is no such file, it cannot be reached, or it is a folder, a FIFO or a device.
    """
    reason = unreadable(path)
    if reason is not None:
        raise ShiftbookError(f"cannot read {shown(path)}: {reason}; {hint}")


def read_json(path: str | os.PathLike[str], hint: str) -> Any:
    """The values in a JSON file.

    Parameters
    ----------
    path
        Of the file.
    hint
        What would be right: it ends the messages.

    Raises
    ------
    ShiftbookError
        It is no regular file, larger than `golden.limits` allows, or no JSON.
    """
    check_file(path, hint)
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            limits().check(f"{shown(path)} has too many bytes for JSON", "json_bytes", size)
            text = file.read(size)
    except OSError as error:
        raise ShiftbookError(f"cannot read {shown(path)}: {error.strerror}; {hint}") from error
    try:
        return parse(text.decode())
    except RecursionError as error:
        raise ShiftbookError(f"{shown(path)} is no JSON: its values are nested too deep; {hint}") from error
    except ValueError as error:
        raise ShiftbookError(f"{shown(path)} is no JSON: {first_line(error)}; {hint}") from error
