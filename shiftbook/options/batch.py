"""How many images the accelerator takes at once."""

from __future__ import annotations

from typing import Annotated

import typer

from shiftbook.golden.errors import ShiftbookError

Batch = Annotated[
    int,
    typer.Option(
        "--batch",
        metavar="N",
        help="Images that the accelerator takes at once: more of them a second, and all are done at the end.",
    ),
]


def check_batch(batch: int) -> None:
    """Refuse a batch without images.

    Raises
    ------
    ShiftbookError
        There is none in it.
    """
    if batch < 1:
        raise ShiftbookError(f"--batch must be at least 1, not {batch}")
