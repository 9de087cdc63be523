"""How `compress` fine-tunes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from shiftbook.frontend.options.training import TrainingOptions
from shiftbook.frontend.training.recipe import Recipe
from shiftbook.options.paths import named


@dataclass(frozen=True)
class TrainingGroup:
    """Options of fine-tuning."""

    panel: ClassVar[str] = "Training"

    epochs: Annotated[
        int, typer.Option(metavar="N", help="Epochs of fine-tuning; 0 compresses the weights as they are.")
    ] = TrainingOptions.epochs
    rate: Annotated[
        float, typer.Option(metavar="R", help="Highest learning rate; it follows half a cosine to 0.")
    ] = Recipe.rate
    batch: Annotated[
        int,
        typer.Option(
            metavar="N", help="Images of a training step; of fewer images an epoch is a single step."
        ),
    ] = Recipe.batch

    keep_weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=named,
            help="Keep the fine-tuned weights before rounding in FILE (.safetensors), to start another "
            "compression from. Default: keep none.",
        ),
    ] = TrainingOptions.keep_weights
    warm_start: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=named,
            help="Start from weights that --keep-weights kept, such as those of a higher density; the "
            "network that SOURCE gives goes on teaching. Default: start from SOURCE.",
        ),
    ] = TrainingOptions.warm_start

    def options(self, noise: float, state: Path | None, log: Path | None) -> TrainingOptions:
        """The options as the front end takes them."""
        return TrainingOptions(
            epochs=self.epochs,
            recipe=Recipe(rate=self.rate, noise=noise, batch=self.batch),
            state=state,
            log=log,
            keep_weights=self.keep_weights,
            warm_start=self.warm_start,
        )
