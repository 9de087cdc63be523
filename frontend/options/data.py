"""The images that compressing takes, and how their pixels become a network's inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shiftbook.frontend.data.frame import AS_IT_IS, Frame
from shiftbook.golden.errors import ShiftbookError

if TYPE_CHECKING:
    from shiftbook.frontend.data.dataset import Dataset


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Images and their normalization.

    Parameters
    ----------
    images
        See :func:`frontend.data.dataset.load`. Fine-tuning and calibration see their training part; both
        accuracies are of their test part. None takes those that the zoo's network brings.
    calibration
        Other images to calibrate on.
    frame
        The shape that the images of folders get.
    mean, std
        Input normalization, one value a channel, of pixels in 0..1 or of floats as they are. None takes the
        zoo entry's own, for colour images .485 .456 .406 and .229 .224 .225, else 0 and 1; for floats always
        0 and 1.

    Raises
    ------
    ShiftbookError
        A mean that is not finite, or a deviation that is not positive.
    """

    images: str | Path | Dataset | None = None
    calibration: str | Path | Dataset | None = None
    frame: Frame = AS_IT_IS
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None

    def __post_init__(self) -> None:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and not all(map(math.isfinite, values)):
                raise ShiftbookError(f"{name} must be finite numbers, not {list(values)}")
        if self.std is not None and min(self.std, default=1) <= 0:
            raise ShiftbookError(f"std must be positive, not {list(self.std)}")
