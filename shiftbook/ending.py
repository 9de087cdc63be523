"""How the program ends: exit codes, and the one line on stderr that says why."""

from __future__ import annotations

import os
import sys

from shiftbook.golden.errors import one_line

USER_ERROR = 2
INTERRUPTED = 130
"""128 + SIGINT, as shells count it."""


def fail(message: str) -> int:
    """Say what is wrong."""
    _say(f"error: {one_line(message)}")
    return USER_ERROR


def interrupted(error: BaseException | None = None) -> int:
    """Say that Ctrl-C ended the work, and what the exception knows about going on."""
    said = (one_line(str(each)) for each in (error.args if error is not None else ()))
    _say(": ".join(["interrupted", *said]))
    return INTERRUPTED


def open_missing_streams() -> None:
    """Put the null device in the place of standard streams that were closed when the program started.

    Their descriptors are the next that the system gives to a file, so that what libraries print would go
    into an output.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - it is there until the end


def lost_stream() -> str | None:
    """The standard stream that cannot be written, or none; Python does not try again when it exits."""
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except OSError:
            _silence(name)
            return name
    return None


def _say(line: str) -> None:
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:  # the exit code has to say it
        _silence("stderr")


def _silence(name: str) -> None:
    setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - it is there until the end
