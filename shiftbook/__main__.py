"""The program, from its first import on: `shiftbook`, or `python -m shiftbook`."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

from shiftbook.ending import interrupted


def main() -> int:
    """Run the command line of this process and return its exit code: see `shiftbook.cli.main`."""
    stopped = False

    def stop(signal_number: int, frame: FrameType | None) -> NoReturn:
        nonlocal stopped
        stopped = True
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where SIGINT is ignored
        signal.signal(signal.SIGINT, stop)
    try:
        from shiftbook.cli import main as run  # takes long enough for a Ctrl-C

        return run()
    except BaseException as error:
        # An extension module that is interrupted while it is imported raises what it likes.
        if stopped or isinstance(error, KeyboardInterrupt):
            return interrupted()
        raise


if __name__ == "__main__":
    sys.exit(main())
