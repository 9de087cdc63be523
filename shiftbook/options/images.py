"""Images that commands take."""

from __future__ import annotations

from typing import Annotated

import typer

from shiftbook.options.paths import data_named

Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="D",
        parser=data_named,
        help="Images: a folder of class folders, an .npz with x (uint8 N,H,W,C, or floats) and y, or: "
        "digits. Needed but for --explain.",
    ),
]
One = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="D",
        parser=data_named,
        help="Images as run takes them, of which one is drawn with a fixed seed. Default: an image of noise.",
    ),
]
Resize = Annotated[
    int | None,
    typer.Option(
        "--resize",
        metavar="N",
        help="Resize photographs in folders, so that their shorter side has N pixels. Default: as they are.",
    ),
]
Crop = Annotated[
    int | None,
    typer.Option("--crop", metavar="N", help="Then cut N x N pixels from the middle. Default: cut nothing."),
]
