"""What any training needs: images with labels, a seed, a recipe, and files on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from shiftbook.frontend.data.batches import Images, Labels
from shiftbook.frontend.training.recipe import Recipe

Data: TypeAlias = tuple[Images, Labels]
"""Images uint8 [N, H, W, C] and labels int64 [N]."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """What training needs.

    Parameters
    ----------
    data
        Raw images and labels; None where there is no training.
    mean, std
        Input normalization, one value a channel.
    seed
        Together with all else it decides everything, on one machine with one number of threads.
    recipe
        Rate, batch, pruning and so on.
    state, log, keep_weights
        See `frontend.options.training.TrainingOptions`.
    """

    data: Data | None = None
    mean: Sequence[float] = (0.485, 0.456, 0.406)
    std: Sequence[float] = (0.229, 0.224, 0.225)
    seed: int = 0
    recipe: Recipe = field(default_factory=Recipe)
    state: Path | None = None
    log: Path | None = None
    keep_weights: Path | None = None
