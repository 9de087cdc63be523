"""The images that compressing a network needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shiftbook.frontend.data.dataset import (
    AS_IT_IS,
    Dataset,
    Frame,
    Part,
    check_labels,
    check_shape,
    has_own_split,
    load,
)
from shiftbook.frontend.importing.load import Source
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.progress import Progress

CALIBRATION_IMAGES = 1024
"""Images that scales are calibrated on; twice as many change no scale of ResNet-20 by more than 2 %."""

STATISTICS_IMAGES = 4096
"""Images that are read where there is no fine-tuning: to measure batch norm again, and to calibrate."""


@dataclass(frozen=True)
class Material:
    """Images to fine-tune and calibrate on, and labelled images to measure with, or None."""

    train: Dataset
    other: Dataset | None
    test: Dataset | None

    def calibration(self, seed: int) -> Dataset:
        """The images to calibrate on, drawn with ``seed``."""
        images = self.train if self.other is None else self.other
        order = np.random.default_rng(seed).permutation(len(images))
        return images.take(np.sort(order[:CALIBRATION_IMAGES]))

    def class_names(self, classes: int) -> tuple[str, ...]:
        """Names of the classes, where the data has one for each of the network's."""
        return self.train.classes if len(self.train.classes) == classes else ()

    def check(self, classes: int) -> None:
        """Refuse images and labels that do not belong together."""
        for part in (self.test, self.other):
            if part is not None:
                check_shape(part, self.train.shape)
        for part in (self.train, self.test):
            if part is not None:
                check_labels(part, classes)


def gather(
    found: Source,
    data: str | Path | Dataset | None,
    calibration: str | Path | Dataset | None,
    epochs: int,
    seed: int,
    progress: Progress,
    frame: Frame = AS_IT_IS,
) -> Material:
    """Read the images that compressing needs, and no more.

    Raises
    ------
    ShiftbookError
        There are none, or none but for calibration, and fine-tuning is asked for.
    """
    data = found.data if data is None else data
    other = None
    if calibration is not None:
        part: Part = "train" if has_own_split(calibration) else "all"
        other = load(calibration, part, limit=STATISTICS_IMAGES, seed=seed, frame=frame, progress=progress)
    if data is None:
        if other is None:
            raise ShiftbookError("there are no images to calibrate on: give --data or --calibration")
        if epochs:
            raise ShiftbookError(f"fine-tuning for {epochs} epochs needs images to train on: give --data")
        return Material(other, None, None)
    limit = None if epochs else STATISTICS_IMAGES
    trained_on = load(data, "train", limit=limit, seed=seed, frame=frame, progress=progress)
    labelled = trained_on.labels is not None
    test = load(data, "test", seed=seed, frame=frame, progress=progress) if labelled else None
    return Material(trained_on, other, test)
