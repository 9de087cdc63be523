"""The images that compressing a network needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from shiftbook.frontend.data.dataset import (
    Dataset,
    Part,
    check_labels,
    check_shape,
    has_own_split,
    load,
)
from shiftbook.frontend.data.scale import InputScale
from shiftbook.frontend.importing.channels import input_channels
from shiftbook.frontend.importing.load import Source
from shiftbook.frontend.importing.normalization import per_channel
from shiftbook.frontend.options.data import DataOptions
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.progress import Progress

CALIBRATION_IMAGES = 1024
"""Images that scales are calibrated on; twice as many change no scale of ResNet-20 by more than 2 %."""

STATISTICS_IMAGES = 4096
"""Images that are read where there is no fine-tuning: to measure batch norm again, and to calibrate."""


@dataclass(frozen=True)
class CompressionData:
    """Images to fine-tune and calibrate on, and labelled images to measure with, or None.

    ``scale`` says how the bytes of all parts stand for floats, where these are what the data holds.
    """

    train: Dataset
    other: Dataset | None
    test: Dataset | None
    scale: InputScale | None = None

    def to_bytes(self, mean: Sequence[float] | None) -> CompressionData:
        """The same with bytes in place of floats; the training part decides their scale.

        Parameters
        ----------
        mean
            Of each channel, which becomes the network's 0; None is 0.

        Raises
        ------
        ShiftbookError
            Some parts are pixels and others floats, or shapes differ.
        """
        parts = [part for part in (self.train, self.other, self.test) if part is not None]
        pixels = [part for part in parts if not part.is_float]
        if pixels:
            raise ShiftbookError(
                f"the data to train and to calibrate on must both be floats or both pixels, not "
                f"{self.train.images.dtype} and {parts[1].images.dtype}"
            )
        for part in parts:
            check_shape(part, self.train.shape)
        channels = self.train.shape[2]
        zero = (0.0,) * channels if mean is None else per_channel("mean", tuple(mean), channels)
        scale = InputScale.spanning(self.train.images, zero)
        train, other, test = (
            None if part is None else part.to_bytes(scale) for part in (self.train, self.other, self.test)
        )
        assert train is not None
        return CompressionData(train, other, test, scale)

    def calibration(self, seed: int) -> Dataset:
        """The images to calibrate on, drawn with ``seed``."""
        images = self.train if self.other is None else self.other
        order = np.random.default_rng(seed).permutation(len(images))
        return images.take(np.sort(order[:CALIBRATION_IMAGES]))

    def class_names(self, classes: int | None) -> tuple[str, ...]:
        """Names of the classes, where the data has one for each of the network's."""
        return self.train.classes if len(self.train.classes) == classes else ()

    def check(self, classes: int | None) -> None:
        """Refuse images and labels that do not belong together; without classes no labels count."""
        for part in (self.test, self.other):
            if part is not None:
                check_shape(part, self.train.shape)
        for part in (self.train, self.test):
            if part is not None and classes is not None:
                check_labels(part, classes)


def gather(
    found: Source,
    options: DataOptions,
    epochs: int,
    seed: int,
    progress: Progress,
) -> CompressionData:
    """Read the images that compressing needs, and no more; floats become bytes.

    Raises
    ------
    ShiftbookError
        There are none, or none but for calibration, and fine-tuning is asked for.
    """
    data = _read(found, options, epochs, seed, progress)
    floats = any(part is not None and part.is_float for part in (data.train, data.other))
    return data.to_bytes(options.mean) if floats else data


def _read(found: Source, options: DataOptions, epochs: int, seed: int, progress: Progress) -> CompressionData:
    """The parts as they are in their files."""
    data = found.data if options.images is None else options.images
    channels = input_channels(found.model)
    read = partial(load, seed=seed, frame=options.frame, channels=channels, progress=progress)
    calibration, other = options.calibration, None
    if calibration is not None:
        part: Part = "train" if has_own_split(calibration) else "all"
        other = read(calibration, part, limit=STATISTICS_IMAGES)
    if data is None:
        if other is None:
            raise ShiftbookError(
                "there are no images to calibrate on: give data, or images for calibration alone",
                arguments=("data", "calibration"),
            )
        if epochs:
            raise ShiftbookError(
                f"fine-tuning for {epochs} epochs needs images to train on: give data", arguments=("data",)
            )
        return CompressionData(other, None, None)
    limit = None if epochs else STATISTICS_IMAGES
    trained_on = read(data, "train", limit=limit)
    test = None if trained_on.labels is None else read(data, "test")
    return CompressionData(trained_on, other, test)
