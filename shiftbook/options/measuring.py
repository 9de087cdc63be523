"""What `gates` measures, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import PRESETS
from shiftbook.options.engine import Bus, BusParity, Requantizers, Slots
from shiftbook.options.paths import named
from shiftbook.options.tensor_buffer import TensorBuffer
from shiftbook.options.tile_words import TileWords
from shiftbook.synth.technologies.technology import names, technology


@dataclass(frozen=True)
class EnginesGroup:
    """Which engines, on gates or on a chip."""

    panel: ClassVar[str | None] = None

    lanes: Annotated[
        str | None,
        typer.Option(
            "--lanes",
            metavar="RxC",
            help="Lane grid: rows x columns. Default: 8x8, or what suits the --fpga.",
        ),
    ] = None
    slots: Slots = None
    requantizers: Requantizers = None
    engines: Annotated[
        list[str] | None,
        typer.Option(
            "--engine",
            metavar="NAME",
            help=f"{', '.join(PRESETS)}; give one or more. Default: all; with --fpga shift and int8.",
        ),
    ] = None
    fpga: Annotated[
        str | None,
        typer.Option(
            "--fpga",
            metavar="NAME",
            help="Instead of gates, LUTs and megahertz on a chip: ecp5, ice40 or up5k. Takes minutes.",
        ),
    ] = None


@dataclass(frozen=True)
class RulerGroup:
    """What a cell counts."""

    panel: ClassVar[str | None] = None

    liberty: Annotated[
        list[Path] | None,
        typer.Option(
            "--liberty",
            metavar="FILE",
            parser=named,
            help="Liberty file of a cell library, plain or .gz; adds area and delay. Give all its files.",
        ),
    ] = None
    tech: Annotated[
        str | None,
        typer.Option(
            "--tech",
            metavar="NAME",
            help=f"Instead of --liberty the cell library of {', '.join(names())}; says where to get it.",
        ),
    ] = None
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            parser=named,
            help="Another table of NAND2 equivalents (see docs/gates.md).",
        ),
    ] = None

    def library(self) -> list[Path]:
        """Files of the cell library: those that are named, or those of the technology; empty for gates alone.

        Raises
        ------
        ShiftbookError
            Both are named, there is no such technology, or its library is not on this machine.
        """
        if self.tech is None:
            return self.liberty or []
        if self.liberty:
            raise ShiftbookError(f"--tech {self.tech} names a cell library, as --liberty does: leave one out")
        return technology(self.tech).library()


@dataclass(frozen=True)
class LayerGroup:
    """A single layer in place of engines."""

    panel: ClassVar[str | None] = None

    paper_layer: Annotated[
        bool,
        typer.Option(
            "--paper-layer",
            help="Measure a published layer under published methods instead (see docs/paper-layer.md).",
        ),
    ] = False
    unrolled: Annotated[
        Path | None,
        typer.Option(
            "--unrolled",
            metavar="CKPT",
            parser=named,
            help="Measure a layer of CKPT, weights fixed in gates, instead.",
        ),
    ] = None
    layer: Annotated[str | None, typer.Option("--layer", metavar="NAME", help="The layer of --unrolled.")] = (
        None
    )
    channels: Annotated[
        int | None,
        typer.Option(
            "--channels",
            metavar="N",
            help="With --unrolled only its first N output channels; with --paper-layer the output channels "
            "that share sub-expressions, a divisor of 100. Default: all; 20.",
        ),
    ] = None


@dataclass(frozen=True)
class ExtentGroup:
    """How much of an engine, and how."""

    panel: ClassVar[str | None] = None

    flat: Annotated[
        bool | None,
        typer.Option(
            "--flat/--no-flat",
            help="Count each engine without hierarchy too: minutes for 8x8 lanes. Default: up to 4 lanes.",
        ),
    ] = None
    system: Annotated[
        bool,
        typer.Option(
            "--system",
            help="Count the buses, the loader, the store and the sequencer around each engine too.",
        ),
    ] = False
    bus: Bus = None
    bus_parity: BusParity = False
    tile_words: TileWords = None
    tensor_buffer: TensorBuffer = None
    network: Annotated[
        Path | None,
        typer.Option(
            "--network",
            metavar="CKPT",
            parser=named,
            help="The network of --tile-words auto: all engines get the banks that it needs.",
        ),
    ] = None
