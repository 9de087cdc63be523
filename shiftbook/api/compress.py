"""From a trained network to a checkpoint."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from shiftbook.api.arguments import maybe, path_of, wrong
from shiftbook.api.checkpoint import Checkpoint, load
from shiftbook.api.compressing import compression_options, data_options, train_of, training_options
from shiftbook.api.images import Data
from shiftbook.api.tensor_train import TensorTrain
from shiftbook.files_read import compressed_from
from shiftbook.frontend.data.frame import Frame
from shiftbook.frontend.options.compression import SCHEME, CompressionOptions, Ends
from shiftbook.frontend.options.data import DataOptions
from shiftbook.frontend.options.training import TrainingOptions
from shiftbook.frontend.tensor_train.plan import Plan
from shiftbook.frontend.training.recipe import Recipe
from shiftbook.golden.files import check_writable
from shiftbook.golden.progress import Progress, quiet

if TYPE_CHECKING:
    from torch import nn

    from shiftbook.frontend.schemes.base import Scheme

Model: TypeAlias = "str | os.PathLike[str] | nn.Module | Callable[[], nn.Module]"
"""``"zoo:digits"``, ``"file.py:factory"``, a .onnx or .pt2 file, a module, or a function that returns one."""

MODEL = (
    "a torch.nn.Module, a function that returns one, 'zoo:NAME', 'file.py:factory', or a .onnx or .pt2 file"
)


def compress(
    model: Model,
    data: Data | None = None,
    *,
    output: str | os.PathLike[str] | None = None,
    scheme: str | Scheme | TensorTrain = SCHEME,
    bits: int | None = None,
    uniform: Ends | Collection[str] = CompressionOptions.uniform,
    end_bits: int | None = CompressionOptions.uniform_bits,
    engine: str | None = CompressionOptions.engine,
    density: float | None = CompressionOptions.density,
    balance: bool = CompressionOptions.balance,
    dim: int | None = None,
    codebooks: int | None = None,
    codewords: int | None = None,
    terms: int | None = None,
    per_layer: bool = False,
    importance: bool = CompressionOptions.importance,
    noise: float = Recipe.noise,
    epochs: int = TrainingOptions.epochs,
    rate: float = Recipe.rate,
    batch: int = Recipe.batch,
    weights: str | os.PathLike[str] | None = None,
    calibration: Data | None = DataOptions.calibration,
    resize: int | None = Frame.resize,
    crop: int | None = Frame.crop,
    mean: Sequence[float] | None = DataOptions.mean,
    std: Sequence[float] | None = DataOptions.std,
    slots: int = CompressionOptions.spec.slots,
    seed: int = CompressionOptions.seed,
    log: str | os.PathLike[str] | None = TrainingOptions.log,
    keep_weights: str | os.PathLike[str] | None = TrainingOptions.keep_weights,
    warm_start: str | os.PathLike[str] | None = TrainingOptions.warm_start,
    progress: Progress = quiet,
) -> Checkpoint:
    """Compress a trained network.

    Parameters
    ----------
    model
        A module, which is not changed; a function that returns one; ``"zoo:digits"`` and other networks of
        the zoo; ``"path/to/file.py:factory"``; or a file that holds its weights too: ``"net.onnx"``, or
        ``"net.pt2"`` of torch.export.save.
    data
        Images to fine-tune, calibrate and test on: a pair ``(x, y)`` of arrays, uint8 [N, H, W, C] or floats,
        and integers [N] (or None), a Dataset, a folder of class folders, an .npz file, or ``"digits"``. Where
        the data has no split of its own, a fifth is held out to measure the accuracy. None takes what a
        network of the zoo brings.
    output
        File for the checkpoint; None keeps it in memory, see `Checkpoint.save`.
    scheme
        Name of a scheme; a scheme with all its options, see ``shiftbook.frontend.schemes.make``; or a
        `TensorTrain`, whose defaults ``"tensor-train"`` stands for.
    bits
        Of a weight before entropy coding, or of a codeword's weights; None takes the scheme's default.
    uniform
        Layers that stay uniform and dense: ``"both"`` is the first and the last, ``"first"``, ``"last"`` or
        ``"none"`` of these two, or layers by their paths.
    end_bits
        Bits of the weights of uniform layers; None takes 8, or with an engine the most that its lanes say.
    engine
        Name of the preset that the checkpoint must run on. What cannot fit its lanes and accumulators is
        refused before any work; sums of single channels are made to fit.
    density
        Share of the weights to keep, in (0, 1]; with vectors, whole vectors are pruned. None takes 1 without
        epochs, with vectors, and for int8 cores of a tensor train, else 0.2.
    balance
        Whether to prune so that no slot waits for another.
    dim, codebooks, codewords, terms, per_layer
        Of schemes with vectors: weights of a vector, codewords that add up to one, codewords in a codebook,
        signed powers of two that add up to a codeword's weight, and whether each layer has codebooks of its
        own. None takes the scheme's default.
    importance
        Whether to weigh a codebook's errors by the inputs that they meet on the calibration images.
    noise
        Share of the vectors that a training step quantizes while codes change, in (0, 1].
    epochs
        Of fine-tuning; 0 compresses the weights as they are.
    rate
        Highest learning rate; it follows half a cosine to 0.
    batch
        Images of a training step; of fewer images an epoch is a single step.
    weights
        Trained weights: .safetensors, or a state dict or checkpoint that torch.save wrote.
    calibration
        Other images to calibrate activations on.
    resize, crop
        Pixels. Photographs in folders are resized, so that their shorter side has ``resize``; then a square
        with sides of ``crop`` is cut from the middle. None leaves them as they are.
    mean, std
        Input normalization of pixels in 0..1, or of floats as they are, one value a channel. By default what
        a network of the zoo was trained with, for colour images .485 .456 .406 and .229 .224 .225, else 0 and
        1; for floats always 0 and 1.
    slots
        Weight slots of the engine that the streams are coded for.
    seed
        Of everything random: same seed, same checkpoint.
    log
        File that gets a line of JSON for each epoch: loss, density and so on.
    keep_weights
        File for the fine-tuned weights before rounding, for another compression to start from.
    warm_start
        File that such weights are in, of a higher density for example; the model goes on teaching.
    progress
        Called as ``progress(what, done, total)``.

    Raises
    ------
    ShiftbookError
        Anything about the arguments that the caller can mend, in one line.
    """
    source, train = _source(model), train_of(scheme)
    target, file = maybe(path_of, "output", output), maybe(path_of, "weights", weights)
    compression = compression_options(
        scheme,
        {"bits": bits, "dim": dim, "codebooks": codebooks, "codewords": codewords, "terms": terms},
        per_layer=per_layer,
        uniform=uniform,
        end_bits=end_bits,
        engine=engine,
        density=density,
        balance=balance,
        importance=importance,
        slots=slots,
        seed=seed,
    )
    training = training_options(
        epochs,
        rate=rate,
        batch=batch,
        noise=noise,
        log=log,
        keep_weights=keep_weights,
        warm_start=warm_start,
    )
    plan = None if train is None else train.plan()
    images = data_options(data, calibration, resize=resize, crop=crop, mean=mean, std=std)
    cores = None if plan is None else plan.keep_cores
    outputs = (target, training.log, training.keep_weights, cores)
    _check_files(source, (file, training.warm_start), images, outputs)
    return _compressed(source, file, images, compression, training, plan, target, progress)


def _check_files(
    source: str,
    read: tuple[Path | None, Path | None],
    data: DataOptions,
    outputs: Sequence[Path | None],
) -> None:
    """Refuse outputs that cannot be written, or that are read, too, before any work."""
    from shiftbook.frontend.importing.given import GivenModel

    file = None if isinstance(source, GivenModel) else source
    images = (str(each) for each in (data.images, data.calibration) if isinstance(each, str | Path))
    weights, warm_start = read
    check_writable(*outputs, inputs=[*compressed_from(file, weights, images, outputs), warm_start])


def _compressed(
    source: str,
    weights: Path | None,
    data: DataOptions,
    compression: CompressionOptions,
    training: TrainingOptions,
    tensor_train: Plan | None,
    target: Path | None,
    progress: Progress,
) -> Checkpoint:
    """What the front end makes; where there is no ``target`` it is named after its source."""
    from shiftbook.frontend.compress import compress as run

    with _place(target) as place:
        run(
            source,
            place,
            weights=weights,
            data=data,
            compression=compression,
            training=training,
            tensor_train=tensor_train,
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
    if isinstance(model, os.PathLike):
        return str(path_of("model", model))
    raise wrong("model", MODEL, model)
