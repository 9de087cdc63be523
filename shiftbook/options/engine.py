"""The engine that a command runs or synthesizes, and the spec that its options choose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import PRESETS, Spec

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


@dataclass(frozen=True)
class EngineGroup:
    """The engine that runs, or is written."""

    panel: ClassVar[str | None] = None

    lanes: Lanes = "8x8"
    preset: Preset = "shift"
    bus: Bus = None
    bus_parity: BusParity = False

    def spec(self, slots: int | None = None) -> Spec:
        """The spec of the options, with other slots where they are given; see `make_spec`."""
        return make_spec(self.preset, self.lanes, slots, self.bus, self.bus_parity)


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
    spec = PRESETS[preset].on_grid(int(grid[1]), int(grid[2]), bus)
    return spec.given(slots=slots, bus_parity=bus_parity)
