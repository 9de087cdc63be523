"""What all targets ask of a refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from shiftbook.golden.errors import ShiftbookError, is_plain

Loaded = TypeVar("Loaded")


def loaded(load: Callable[[], Loaded]) -> Loaded | None:
    """What ``load`` returns; None where it refuses in one plain line. Anything else is raised."""
    try:
        return load()
    except ShiftbookError as error:
        message = str(error)
        if not message or "\n" in message or not is_plain(message) or len(message) > 2000:
            raise AssertionError(f"a refusal must be one plain line of text: {message!r:.200}") from error
        return None
