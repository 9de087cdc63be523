"""What `compare` measures checkpoints with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import PRESETS, Spec
from shiftbook.options.batch import Batch
from shiftbook.options.engine import Bus, Lanes, make_spec
from shiftbook.options.paths import data_named, named
from shiftbook.options.tile_words import TileWords, with_tile_words


@dataclass(frozen=True)
class MeasureGroup:
    """Images for the accuracy; engines, and where their gates and cycles come from."""

    panel: ClassVar[str | None] = None

    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="D",
            parser=data_named,
            help="Images for the accuracy, as of run. Default: none.",
        ),
    ] = None
    limit: Annotated[int | None, typer.Option(metavar="N", help="At most N images. Default: all.")] = None
    engines: Annotated[
        str | None,
        typer.Option(
            "--engines",
            metavar="A,B",
            help=f"Of {', '.join(PRESETS)}: those to choose from. Default: all.",
        ),
    ] = None
    gates: Annotated[
        Path | None,
        typer.Option(
            "--gates",
            metavar="FILE",
            parser=named,
            help="What `gates --json FILE` wrote, to synthesize nothing again.",
        ),
    ] = None
    batch: Batch = 1
    rtl: Annotated[
        bool,
        typer.Option(
            "--rtl", help="Run one image, or batch, on the RTL: its cycles in place of the model's."
        ),
    ] = False
    lanes: Lanes = "8x8"
    bus: Bus = None
    tile_words: TileWords = None

    def specs(self) -> dict[str, Spec]:
        """The engines to choose from, by name; with ``--tile-words auto`` before their banks are known.

        Raises
        ------
        ShiftbookError
            There is no such engine, grid or bus.
        """
        names = list(PRESETS) if self.engines is None else [name.strip() for name in self.engines.split(",")]
        for name in names:
            if name not in PRESETS:
                raise ShiftbookError(f"there is no engine {name!r}: choose of {', '.join(PRESETS)}")
        specs = {name: make_spec(name, self.lanes, bus=self.bus) for name in names}
        return with_tile_words(specs, self.tile_words)
