"""Which images and weights `compress` reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from shiftbook.frontend.data.frame import Frame
from shiftbook.frontend.options.data import DataOptions
from shiftbook.golden.errors import ShiftbookError
from shiftbook.options.images import Crop, Resize
from shiftbook.options.paths import data_named, named


@dataclass(frozen=True)
class DataGroup:
    """Options of images, weights and normalization."""

    panel: ClassVar[str] = "Data"

    data: Annotated[
        str | None,
        typer.Option(
            metavar="D",
            parser=data_named,
            help="Images to fine-tune, calibrate and test on: a folder of class folders, an .npz with x "
            "(uint8 N,H,W,C, or floats) and y, or: digits. Default: those that a zoo network brings.",
        ),
    ] = None
    calibration: Annotated[
        str | None,
        typer.Option(
            metavar="D", parser=data_named, help="Other images to calibrate activations on. Default: --data."
        ),
    ] = None
    resize: Resize = None
    crop: Crop = None
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=named,
            help="Trained weights: .safetensors, or a state dict or checkpoint written by torch.save. "
            "Default: those that SOURCE makes.",
        ),
    ] = None
    mean: Annotated[
        str | None,
        typer.Option(
            metavar="M,...",
            help="Input normalization on pixels in 0..1 or on floats as they are, a number for each channel. "
            "Default: the zoo's own, for colour images .485,.456,.406, else 0.",
        ),
    ] = None
    std: Annotated[
        str | None,
        typer.Option(
            metavar="S,...",
            help="Likewise. Default: the zoo's own, for colour images .229,.224,.225, else 1. A network of "
            "floats that takes pixels 0..255 has mean 0 and std 0.003921568627451.",
        ),
    ] = None

    def options(self) -> DataOptions:
        """The options as the front end takes them."""
        return DataOptions(
            images=self.data,
            calibration=self.calibration,
            frame=Frame(self.resize, self.crop),
            mean=numbers("mean", self.mean),
            std=numbers("std", self.std),
        )


def numbers(name: str, text: str | None) -> tuple[float, ...] | None:
    """Numbers between commas."""
    if text is None:
        return None
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise ShiftbookError(
            f"{name} must be numbers between commas such as .5,.5,.5, not {text!r}"
        ) from None
