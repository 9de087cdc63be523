"""The user's own code: whatever it raises, even an exit, becomes one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shiftbook.golden.errors import ShiftbookError, first_line


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
