"""Files that commands read and write."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def named(text: str) -> Path:
    """The path that a command is given: never the empty text, which would be the folder it runs in."""
    if not text:
        raise typer.BadParameter("it is empty: name a file or a folder")
    return Path(text)


def data_named(text: str) -> str:
    """The data that a command is given: likewise."""
    if not text:
        raise typer.BadParameter("it is empty: name a folder, an .npz file or: digits")
    return text


Checkpoint = Annotated[
    Path, typer.Argument(metavar="CKPT", parser=named, help="A checkpoint that compress wrote.")
]
Json = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="FILE",
        parser=named,
        help="Also write the result to FILE as JSON, whole or not at all. Default: none.",
    ),
]
