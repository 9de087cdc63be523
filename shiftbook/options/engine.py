"""The engine that a command runs or synthesizes, and the spec that its options choose."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import PRESETS, Spec
from shiftbook.options.tensor_buffer import TensorBuffer
from shiftbook.options.tile_words import AUTO, TileWords, with_tile_words

if TYPE_CHECKING:
    from shiftbook.golden.model.network import Network

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
Slots = Annotated[
    int | None,
    typer.Option(
        "--slots",
        metavar="N",
        help="Weights that each lane adds in a cycle; a checkpoint is compressed for a number of them. "
        "Default: 4.",
    ),
]
Requantizers = Annotated[
    int | None,
    typer.Option(
        "--requantizers",
        metavar="N",
        help="Outputs that leave the lanes in a cycle. More suit depthwise layers and many slots, and need a "
        "wide bus. Default: 8 for 8x8 lanes.",
    ),
]


@dataclass(frozen=True)
class EngineGroup:
    """The engine that runs, or is written."""

    panel: ClassVar[str | None] = None

    lanes: Lanes = "8x8"
    preset: Preset = "shift"
    requantizers: Requantizers = None
    bus: Bus = None
    bus_parity: BusParity = False
    tile_words: TileWords = None
    tensor_buffer: TensorBuffer = None

    def spec(self) -> Spec:
        """The spec of the options; see `make_spec`.

        Raises
        ------
        ShiftbookError
            Its banks depend on a network.
        """
        if self.tile_words == AUTO:
            raise ShiftbookError("--tile-words auto needs a network: say a number of words, such as 1024")
        return self._spec()

    def spec_for(self, network: Network, batch: int = 1) -> Spec:
        """The same for a network, with its slots, and for how many images it takes at once.

        Raises
        ------
        ShiftbookError
            As `make_spec`; or the engine cannot run the network, where its banks depend on that.
        """
        spec = self._spec(network.slots)
        if self.tile_words != AUTO:
            return spec
        from shiftbook.golden.program.tile_memory import smallest_tile_words

        return replace(spec, tile_words=smallest_tile_words(network, spec, batch))

    def check(self) -> None:
        """Refuse options that make no spec, before a network is read; see `make_spec`."""
        self._spec()

    def _spec(self, slots: int | None = None) -> Spec:
        spec = make_spec(self.preset, self.lanes, slots, self.bus, self.bus_parity, self.requantizers)
        spec = spec.given(tensor_kib=self.tensor_buffer)
        return with_tile_words({self.preset: spec}, self.tile_words)[self.preset]


def make_spec(
    preset: str,
    lanes: str,
    slots: int | None = None,
    bus: int | None = None,
    bus_parity: bool = False,
    requantizers: int | None = None,
) -> Spec:
    """The spec of ``preset`` with a lane grid such as "8x8" and, where given, other numbers of its parts.

    Raises
    ------
    ShiftbookError
        There is no such preset, grid or bus, or so many requantizers cannot drain the grid.
    """
    if preset not in PRESETS:
        raise ShiftbookError(f"there is no preset {preset!r}: choose one of {', '.join(PRESETS)}")
    grid = re.fullmatch(r"(0|[1-9][0-9]{0,8})x(0|[1-9][0-9]{0,8})", lanes)
    if grid is None:
        raise ShiftbookError(f"lanes must be ROWSxCOLUMNS such as 8x8, not {lanes!r:.40}")
    spec = PRESETS[preset].on_grid(int(grid[1]), int(grid[2]), bus)
    return spec.given(slots=slots, bus_parity=bus_parity, requantizers=requantizers)
