"""What is read: looked at before it is opened, so that nothing waits for a FIFO and a refusal is one line."""

from __future__ import annotations

import errno
import json
import os
import stat
from typing import Any, NoReturn

from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.golden.limits import limits

MOST_SHOWN = 512
"""Characters of a path that a message shows."""

MOST_DIGITS = 300
"""Of an integer in JSON: floats can hold it."""

KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def shown(path: str | os.PathLike[str]) -> str:
    """A path for messages: of a very long one the beginning, and how long it is."""
    text = os.fspath(path)
    if len(text) <= MOST_SHOWN:
        return text
    return f"{text[:MOST_SHOWN]}... ({len(text):,} characters)"


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
        return json.loads(text.decode(), parse_constant=_refuse_constant, parse_int=_integer)
    except RecursionError as error:
        raise ShiftbookError(f"{shown(path)} is no JSON: its values are nested too deep; {hint}") from error
    except ValueError as error:
        raise ShiftbookError(f"{shown(path)} is no JSON: {first_line(error)}; {hint}") from error


def _integer(text: str) -> int:
    """Python's own message about these names a setting of Python."""
    if len(text) > MOST_DIGITS:
        raise ValueError(f"it has an integer of more than {MOST_DIGITS} digits")
    return int(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
