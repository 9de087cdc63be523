"""What `compress` writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from shiftbook.options.paths import Json, named


@dataclass(frozen=True)
class OutputGroup:
    """Files that are written."""

    panel: ClassVar[str] = "Output"

    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="CKPT", parser=named, help="The checkpoint to write.")
    ]
    log: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=named,
            help="Append a line of JSON for each epoch: loss, density and so on. Default: none.",
        ),
    ] = None
    json_file: Json = None
