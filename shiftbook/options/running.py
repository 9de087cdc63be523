"""What `run` runs, and what it compares the answers with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import typer

from shiftbook.options.images import Crop, Data, Resize
from shiftbook.options.paths import named

Backend = Literal["golden", "rtl"]


@dataclass(frozen=True)
class ImagesGroup:
    """The images, and what runs them."""

    panel: ClassVar[str | None] = None

    data: Data = None
    backend: Annotated[
        Backend,
        typer.Option(help="golden: the NumPy model, fast. rtl: the engine's Verilog, compared with golden."),
    ] = "golden"
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="At most N images, drawn with a fixed seed. Default: all.")
    ] = None
    resize: Resize = None
    crop: Crop = None

    def asked(self) -> list[str]:
        """What is asked of images, as the options that ask it."""
        asked = {
            "--backend rtl": self.backend == "rtl",
            "--limit": self.limit is not None,
            "--resize": self.resize is not None,
            "--crop": self.crop is not None,
        }
        return [option for option, given in asked.items() if given]


@dataclass(frozen=True)
class FloatGroup:
    """The float network whose answers are compared."""

    panel: ClassVar[str | None] = None

    source: Annotated[
        str | None,
        typer.Option(
            "--float",
            metavar="SOURCE",
            help="The network that compress was given. Also tell the accuracy that it has in float on these "
            "images, and on how many of them the checkpoint gives its answer.",
        ),
    ] = None
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", parser=named, help="The weights that compress was given with it."),
    ] = None
