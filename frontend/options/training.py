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
    keep_weights
        File for the fine-tuned weights before rounding, for another compression to start from.
    warm_start
        File that such weights are in: what is compressed are these. The float network that the loss asks
        for, and whose accuracy is reported, stays that of the source.

    Raises
    ------
    ShiftbookError
        Epochs below 0, or weights to keep without epochs.
    """

    epochs: int = 0
    recipe: Recipe = field(default_factory=Recipe)
    state: Path | None = None
    log: Path | None = None
    keep_weights: Path | None = None
    warm_start: Path | None = None

    def __post_init__(self) -> None:
        if self.epochs < 0:
            raise ShiftbookError(f"epochs must be at least 0, not {self.epochs}")
        if self.keep_weights is not None and self.epochs == 0:
            raise ShiftbookError(
                "without epochs of fine-tuning there are no new weights to keep: give epochs",
                arguments=("epochs", "keep_weights"),
            )

    def rooted(self) -> TrainingOptions:
        """The same with absolute paths: a network's own code may go to another folder."""
        files = (self.state, self.log, self.keep_weights, self.warm_start)
        state, log, keep, start = (path and absolute(path) for path in files)
        return replace(self, state=state, log=log, keep_weights=keep, warm_start=start)
