"""What a program passes in: a wrong type is told in one line that says what would be right."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import numpy as np

from shiftbook.golden.errors import ShiftbookError

Rest = ParamSpec("Rest")
Checked = TypeVar("Checked")

MOST_SHOWN = 60
"""Characters of a value that a message shows."""


def wrong(name: str, right: str, value: object) -> ShiftbookError:
    """The error of an argument: its name, what would be right, and what was given."""
    return ShiftbookError(f"{name} must be {right}, not {given(value)}")


def given(value: object) -> str:
    """What was given, for people."""
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, str | int | float):
        return f"{value!r:.{MOST_SHOWN}} ({type(value).__name__})"
    if isinstance(value, np.ndarray):
        return f"an array {value.dtype} {list(value.shape)}"
    return (
        f"the class {value.__name__}"
        if isinstance(value, type)
        else f"a value of type {type(value).__name__}"
    )


def maybe(
    check: Callable[Concatenate[str, object, Rest], Checked],
    name: str,
    value: object,
    *rest: Rest.args,
    **more: Rest.kwargs,
) -> Checked | None:
    """A check of this file, for an argument that may be None, too."""
    return None if value is None else check(name, value, *rest, **more)


def path_of(name: str, value: object) -> Path:
    """The path of a file or folder.

    Raises
    ------
    ShiftbookError
        It is neither text nor a path, or it is empty.
    """
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise wrong(name, "a path", value)
    path: str | bytes = os.fspath(value)
    return Path(os.fsdecode(path))


def whole(name: str, value: object, least: int) -> int:
    """An integer of Python's or of NumPy's.

    Raises
    ------
    ShiftbookError
        It is something else, or below ``least``.
    """
    right = f"an integer of at least {least}"
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise wrong(name, right, value)
    try:
        number = operator.index(value)
    except TypeError:  # of an array
        raise wrong(name, right, value) from None
    if number < least:
        raise wrong(name, right, number)
    return number


def real(name: str, value: object, right: str) -> float:
    """A finite number; ``right`` says in errors which would do.

    Raises
    ------
    ShiftbookError
        It is something else.
    """
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not np.isfinite(result := float(value)):  # type: ignore[arg-type]
        raise wrong(name, right, value)
    return result
