"""From a trained network to a checkpoint."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from shiftbook.api.arguments import path_of, real, whole, wrong
from shiftbook.api.checkpoint import Checkpoint, load
from shiftbook.api.images import Data, source_of
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import check_writable
from shiftbook.golden.progress import Progress, quiet
from shiftbook.golden.spec import DEFAULT

if TYPE_CHECKING:
    from torch import nn

    from shiftbook.frontend.schemes.base import Scheme

Model: TypeAlias = "str | nn.Module | Callable[[], nn.Module]"
"""``"zoo:digits"``, ``"file.py:factory"``, a module, or a function that returns one."""

MODEL = "a torch.nn.Module, a function that returns one, 'zoo:NAME' or 'file.py:factory'"
MOST_SEED = 2**32 - 1


def compress(
    model: Model,
    data: Data | None = None,
    *,
    output: str | os.PathLike[str] | None = None,
    scheme: str | Scheme = "focused",
    bits: int | None = None,
    end_bits: int = 8,
    density: float | None = None,
    epochs: int = 0,
    weights: str | os.PathLike[str] | None = None,
    calibration: Data | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    slots: int = DEFAULT.slots,
    seed: int = 0,
    progress: Progress = quiet,
) -> Checkpoint:
    """Compress a trained network.

    Parameters
    ----------
    model
        A module, which is not changed; a function that returns one; ``"zoo:digits"`` and other networks of
        the zoo; or ``"path/to/file.py:factory"``.
    data
        Images to fine-tune, calibrate and test on: a pair ``(x, y)`` of arrays, uint8 [N, H, W, C] or floats,
        and integers [N] (or None), a Dataset, a folder of class folders, an .npz file, or ``"digits"``. Where
        the data has no split of its own, a fifth is held out to measure the accuracy. None takes what a
        network of the zoo brings.
    output
        File for the checkpoint; None keeps it in memory, see `Checkpoint.save`.
    scheme, bits
        Name of a scheme, and the bits of its codes; None takes the scheme's default. Or a scheme with all its
        options, see ``shiftbook.frontend.schemes.make``.
    end_bits
        Bits of the first and the last layer's weights, which are uniform and dense.
    density
        Share of the weights to keep, in (0, 1]; None takes the scheme's default.
    epochs
        Of fine-tuning; 0 compresses the weights as they are.
    weights
        Trained weights: .safetensors, or a state dict or checkpoint that torch.save wrote.
    calibration
        Other images to calibrate activations on.
    mean, std
        Input normalization of pixels in 0..1, or of floats as they are, one value a channel. By default what
        a network of the zoo was trained with, for colour images .485 .456 .406 and .229 .224 .225, else 0 and
        1; for floats always 0 and 1.
    slots
        Weight slots of the engine that the streams are coded for.
    seed
        Of everything random: same seed, same checkpoint.
    progress
        Called as ``progress(what, done, total)``.

    Raises
    ------
    ShiftbookError
        Anything about the arguments that the caller can mend, in one line.
    """
    from shiftbook.frontend.options.compression import CompressionOptions
    from shiftbook.frontend.options.data import DataOptions
    from shiftbook.frontend.options.training import TrainingOptions

    source = _source(model)
    file = None if weights is None else path_of("weights", weights)
    target = None if output is None else path_of("output", output)
    check_writable(target, inputs=[file])
    images = DataOptions(
        images=None if data is None else source_of("data", data),
        calibration=None if calibration is None else source_of("calibration", calibration),
        mean=_numbers("mean", mean),
        std=_numbers("std", std),
    )
    compression = CompressionOptions(
        scheme=_scheme(scheme),
        options={} if bits is None else {"bits": whole("bits", bits, 1)},
        density=None if density is None else real("density", density, "a number in (0, 1]"),
        uniform_bits=whole("end_bits", end_bits, 1),
        spec=replace(DEFAULT, slots=whole("slots", slots, 1)),
        seed=_seed(seed),
    )
    training = TrainingOptions(epochs=whole("epochs", epochs, 0))
    from shiftbook.frontend.compress import compress as run

    with _place(target) as place:
        run(
            source,
            place,
            weights=file,
            data=images,
            compression=compression,
            training=training,
            progress=progress,
        )
        found = load(place)
    return found if target is not None else Checkpoint(source, found.network, found.sizes, found.coding)


@contextmanager
def _place(target: Path | None) -> Iterator[Path]:
    """Where the front end writes: the file that was asked for, or one that goes when the block ends."""
    if target is not None:
        yield target
        return
    with tempfile.TemporaryDirectory(prefix="shiftbook-") as folder:
        yield Path(folder, "network.ckpt")


def _source(model: object) -> str:
    """The model as the front end takes it."""
    from torch import nn

    from shiftbook.frontend.importing.given import GivenModel, called

    if isinstance(model, str) and model:
        return model
    if isinstance(model, nn.Module):
        return GivenModel(model)
    if callable(model):
        return called(model)
    raise wrong("model", MODEL, model)


def _scheme(scheme: object) -> str | Scheme:
    from shiftbook.frontend.schemes import catalogue
    from shiftbook.frontend.schemes.base import Scheme

    if not isinstance(scheme, str | Scheme):
        raise wrong("scheme", f"a Scheme or one of {', '.join(catalogue.catalogue())}", scheme)
    return scheme


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
