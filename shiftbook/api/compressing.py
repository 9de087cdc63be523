"""From the arguments of `compress` to the options of the front end; a wrong type is told in one line."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from shiftbook.api.arguments import maybe, path_of, real, whole, wrong
from shiftbook.api.images import Data, frame_of, source_of
from shiftbook.api.schemes import check_scheme
from shiftbook.api.tensor_train import TensorTrain
from shiftbook.frontend.options.compression import ENDS, CompressionOptions, Ends
from shiftbook.frontend.options.data import DataOptions
from shiftbook.frontend.options.training import TrainingOptions
from shiftbook.frontend.tensor_train.plan import TENSOR_TRAIN
from shiftbook.frontend.training.recipe import Recipe
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import DEFAULT

if TYPE_CHECKING:
    from shiftbook.frontend.schemes.base import Scheme

MOST_SEED = 2**32 - 1


def train_of(scheme: object) -> TensorTrain | None:
    """The tensor train that ``scheme`` is or names; None where it is a scheme of weights."""
    if isinstance(scheme, str) and scheme == TENSOR_TRAIN:
        return TensorTrain()
    return scheme if isinstance(scheme, TensorTrain) else None


def weights_scheme(scheme: object) -> str | Scheme:
    """The scheme of weights; of a tensor train that of its cores.

    Raises
    ------
    ShiftbookError
        There is no such scheme.
    """
    train = train_of(scheme)
    return check_scheme("scheme", scheme, TENSOR_TRAIN) if train is None else train.cores


def data_options(
    data: Data | None,
    calibration: Data | None,
    *,
    resize: int | None,
    crop: int | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> DataOptions:
    """The images, and how they become inputs.

    Raises
    ------
    ShiftbookError
        A value has another type, or is out of range.
    """
    return DataOptions(
        images=None if data is None else source_of("data", data),
        calibration=None if calibration is None else source_of("calibration", calibration),
        frame=frame_of(resize, crop),
        mean=_numbers("mean", mean),
        std=_numbers("std", std),
    )


def compression_options(
    scheme: object,
    options: Mapping[str, int | None],
    *,
    per_layer: bool,
    uniform: Ends | Collection[str],
    end_bits: int | None,
    engine: str | None,
    density: float | None,
    balance: bool,
    importance: bool,
    slots: int,
    seed: int,
) -> CompressionOptions:
    """What weights become.

    Parameters
    ----------
    scheme
        A scheme, a tensor train, or the name of one.
    options
        Of the scheme, integers; those that are None are not given.
    per_layer
        Another one of the scheme, which not all of them have.

    Raises
    ------
    ShiftbookError
        A value has another type, or is out of range.
    """
    given = {name: whole(name, value, 1) for name, value in options.items() if value is not None}
    return CompressionOptions(
        scheme=weights_scheme(scheme),
        options={**given, "per_layer": True} if per_layer else given,
        uniform=_uniform(uniform),
        uniform_bits=None if end_bits is None else whole("end_bits", end_bits, 1),
        engine=engine,
        density=maybe(real, "density", density, "a number in (0, 1]"),
        balance=bool(balance),
        importance=bool(importance),
        spec=replace(DEFAULT, slots=whole("slots", slots, 1)),
        seed=_seed(seed),
    )


def training_options(
    epochs: int,
    *,
    rate: float,
    batch: int,
    noise: float,
    **files: str | os.PathLike[str] | None,
) -> TrainingOptions:
    """Whether and how to fine-tune.

    Parameters
    ----------
    files
        Of `TrainingOptions`, by name.

    Raises
    ------
    ShiftbookError
        A value has another type, or is out of range.
    """
    recipe = Recipe(
        rate=real("rate", rate, "a positive number"),
        batch=whole("batch", batch, 1),
        noise=real("noise", noise, "a number in (0, 1]"),
    )
    paths = {name: maybe(path_of, name, file) for name, file in files.items()}
    return TrainingOptions(epochs=whole("epochs", epochs, 0), recipe=recipe, **paths)


def _uniform(layers: object) -> Ends | tuple[str, ...]:
    """Ends of a network, or paths of layers."""
    if isinstance(layers, str):
        for ends in ENDS:
            if ends == layers:
                return ends
    elif isinstance(layers, Collection) and all(isinstance(path, str) for path in layers):
        return tuple(layers)
    raise wrong("uniform", f"one of {', '.join(ENDS)}, or paths of layers", layers)


def _seed(seed: object) -> int:
    number = whole("seed", seed, 0)
    if number > MOST_SEED:
        raise ShiftbookError(f"seed must be at most {MOST_SEED}, not {number}")
    return number


def _numbers(name: str, values: object) -> tuple[float, ...] | None:
    """One number a channel."""
    if values is None:
        return None
    right = "a list of numbers, one for each channel"
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise wrong(name, right, values)
    return tuple(real(name, value, right) for value in values)
