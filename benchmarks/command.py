"""How a benchmark starts: what it refuses is told in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable

from shiftbook.ending import interrupted
from shiftbook.golden.errors import ShiftbookError


def start(main: Callable[[], None]) -> None:
    """Run ``main``; end the process with an error's line and not with its traceback."""
    try:
        main()
    except ShiftbookError as error:
        raise SystemExit(f"error: {error}") from None
    except KeyboardInterrupt as error:
        sys.exit(interrupted(error))
