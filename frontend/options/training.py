"""Whether and how a network is fine-tuned."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from shiftbook.frontend.training.recipe import Recipe
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import absolute


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Fine-tuning.

    Parameters
    ----------
    epochs
        0 prunes and rounds the weights of a layer together (see `frontend.post_training.gptq`). Where the
        images have no labels, the float network's own answers take their place.
    recipe
        Rate, batch, noise, distillation and so on, of a tensor train's training too.
    state
        File that holds the state after each epoch. If it is there, training goes on from it; it is removed
        once the checkpoint is written.
    log
        File that gets one line of JSON for each epoch.

    Raises
    ------
    ShiftbookError
        Epochs below 0.
    """

    epochs: int = 0
    recipe: Recipe = field(default_factory=Recipe)
    state: Path | None = None
    log: Path | None = None

    def __post_init__(self) -> None:
        if self.epochs < 0:
            raise ShiftbookError(f"epochs must be at least 0, not {self.epochs}")

    def rooted(self) -> TrainingOptions:
        """The same with absolute paths: a network's own code may go to another folder."""
        state, log = (path and absolute(path) for path in (self.state, self.log))
        return replace(self, state=state, log=log)
