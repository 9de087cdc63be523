"""The user's own code: whatever it raises, even an exit, becomes one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shiftbook.golden.errors import ShiftbookError

MOST_SHOWN = 300
"""Characters of a reason."""


def first_line(error: BaseException) -> str:
    """What an exception says, on one line; its type where it says nothing, or fails to."""
    try:
        text = str(error).strip()
    except KeyboardInterrupt:
        raise
    except BaseException:  # the user's own __str__
        text = ""
    return (text or type(error).__name__).splitlines()[0][:MOST_SHOWN]


def reason(error: BaseException) -> str:
    """The same, and its type where the text alone does not tell that it is an exit."""
    line = first_line(error)
    if isinstance(error, Exception) or line == type(error).__name__:
        return line
    return f"{type(error).__name__}: {line}"


@contextmanager
def told(message: Callable[[BaseException], str]) -> Iterator[None]:
    """Turn what the user's code raises into a message.

    Raises
    ------
    ShiftbookError
        The code raised anything but an interrupt, a lack of memory, or such an error itself.
    """
    try:
        yield
    except (ShiftbookError, KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        raise ShiftbookError(message(error)) from error
