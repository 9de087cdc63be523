"""How `compress` fine-tunes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from shiftbook.frontend.options.training import TrainingOptions
from shiftbook.frontend.training.recipe import Recipe


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

    def options(self, noise: float, state: Path | None, log: Path | None) -> TrainingOptions:
        """The options as the front end takes them."""
        recipe = Recipe(rate=self.rate, noise=noise, batch=self.batch)
        return TrainingOptions(epochs=self.epochs, recipe=recipe, state=state, log=log)
