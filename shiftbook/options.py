"""Options that several commands share, and the spec that they choose."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import PRESETS, Spec

MOST_SEED = 2**32 - 1
"""What every random generator takes, also times a million for those that are seeded layer by layer."""


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
Data = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="D",
        parser=data_named,
        help="Images: a folder of class folders, an .npz with x (uint8 N,H,W,C) and y, or: digits.",
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
    typer.Option("--crop", metavar="N", help="Then cut N x N pixels from the middle."),
]
Json = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="FILE",
        parser=named,
        help="Also write the result to FILE as JSON, whole or not at all.",
    ),
]
Lanes = Annotated[
    str,
    typer.Option(
        "--lanes",
        metavar="RxC",
        help="Lane grid: rows x columns. One lane owns one pixel; 7x7 suits photographs of 224 pixels.",
    ),
]
Preset = Annotated[
    str,
    typer.Option(
        "--preset",
        metavar="NAME",
        help=f"Engine: {', '.join(PRESETS)}. A cheaper engine refuses codebooks that it cannot represent.",
    ),
]

Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        metavar="S",
        min=0,
        max=MOST_SEED,
        help="Of everything random: training, pruning, sampling. Same seed, same file.",
    ),
]
Bus = Annotated[
    int | None,
    typer.Option(
        "--bus",
        metavar="BYTES",
        help="Width of the memory bus: 8, 16, 32 or 64 bytes. Default: 32 for 8x8 lanes.",
    ),
]


BusParity = Annotated[
    bool,
    typer.Option(
        "--bus-parity",
        help="A bit of odd parity for each byte on the memory bus, as in AXI5: what is read is checked.",
    ),
]


def make_spec(
    preset: str, lanes: str, slots: int | None = None, bus: int | None = None, bus_parity: bool = False
) -> Spec:
    """The spec of ``preset`` with a lane grid such as "8x8" and, where given, other slots or another bus.

    Raises
    ------
    ShiftbookError
        There is no such preset, grid or bus.
    """
    if preset not in PRESETS:
        raise ShiftbookError(f"there is no preset {preset!r}: choose one of {', '.join(PRESETS)}")
    grid = re.fullmatch(r"(0|[1-9][0-9]{0,8})x(0|[1-9][0-9]{0,8})", lanes)
    if grid is None:
        raise ShiftbookError(f"lanes must be ROWSxCOLUMNS such as 8x8, not {lanes!r:.40}")
    spec = PRESETS[preset].on_grid(int(grid[1]), int(grid[2]))
    return spec.given(slots=slots, bus_bytes=bus, bus_parity=bus_parity)
