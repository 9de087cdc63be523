"""The folder that the program runs in, which the user's own code may change."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def folder_kept() -> Iterator[None]:
    """Go back to the folder when the block ends, however it ends."""
    here = os.open(".", getattr(os, "O_PATH", os.O_RDONLY))
    try:
        yield
    finally:
        os.fchdir(here)
        os.close(here)
