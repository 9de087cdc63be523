"""The whole way from a trained network to a checkpoint: what ``shiftbook compress`` does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from shiftbook.frontend.calibration_data import gather
from shiftbook.frontend.compression import Compression, layers_kept
from shiftbook.frontend.engine_fit import check_layers, check_runs, check_weights
from shiftbook.frontend.importing.load import Source, load_model
from shiftbook.frontend.importing.normalization import normalization_for
from shiftbook.frontend.options.compression import CompressionOptions
from shiftbook.frontend.options.data import DataOptions
from shiftbook.frontend.options.training import TrainingOptions
from shiftbook.frontend.schemes.base import Scheme
from shiftbook.frontend.tensor_train.network import states_of
from shiftbook.frontend.tensor_train.plan import Plan
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import absolute
from shiftbook.golden.model.network import Network
from shiftbook.golden.progress import Notice, Progress, quiet, unheard
from shiftbook.golden.statistics.sizes import Sizes, layer_sizes
from shiftbook.golden.storage import checkpoint

DATA, COMPRESSION, TRAINING = DataOptions(), CompressionOptions(), TrainingOptions()
"""All defaults."""


@dataclass(frozen=True)
class Report:
    """What came out.

    Attributes
    ----------
    network, path
        The compressed network, and the file that holds it.
    images
        Test images that the accuracies are from; 0 where there are none with labels.
    float_accuracy, accuracy
        Shares of right answers of the model as it was given and of the integer network, or None.
    sizes
        Stored bits, layer by layer.
    seconds
        Wall time of all of it.
    """

    network: Network
    path: Path
    images: int
    float_accuracy: float | None
    accuracy: float | None
    sizes: Sizes
    seconds: float

    def as_json(self) -> dict[str, object]:
        """The figures as JSON values."""
        return {
            "checkpoint": str(self.path),
            **self.network.facts,
            "images": self.images,
            "float_accuracy": self.float_accuracy,
            "accuracy": self.accuracy,
            "ratio": self.sizes.ratio,
            "bits_per_weight": self.sizes.bits_per_weight,
            "weights": self.sizes.weights,
            "stored_bits": self.sizes.stored_bits,
            "seconds": round(self.seconds, 1),
        }


def compress(
    source: str,
    output: str | Path,
    *,
    weights: str | Path | None = None,
    data: DataOptions = DATA,
    compression: CompressionOptions = COMPRESSION,
    training: TrainingOptions = TRAINING,
    tensor_train: Plan | None = None,
    measured: bool = True,
    progress: Progress = quiet,
    notice: Notice = unheard,
) -> Report:
    """Compress a network and write its checkpoint.

    Parameters
    ----------
    source, weights
        See :func:`frontend.importing.load.load_model`.
    output
        The checkpoint; it appears whole or not at all.
    data
        Images to fine-tune, calibrate and test on.
    compression
        What weights become.
    training
        Whether and how to fine-tune.
    tensor_train
        How to decompose convolutions first; the scheme is then that of their cores. Where torchrun launched
        several processes they train together, and all but the first end then.
    measured
        Whether to measure both accuracies; where not, they are None.
    notice
        Called before anything takes long, with what is left out and with what no engine can run.

    Raises
    ------
    ShiftbookError
        Anything about the input that the user can mend, before anything is written.
    """
    started = time.monotonic()
    scheme = scheme_of(compression, training)
    check_weights(compression)
    target, training, plan = absolute(Path(output)), training.rooted(), _rooted(tensor_train)
    found = load_model(source, weights, seed=compression.seed, progress=progress)
    steps = begin(found, data, compression, training, plan, progress)
    if plan is None:
        steps.check_warm_start()
    check_layers(steps.graph, layers_kept(steps.graph, compression.uniform), compression)
    for text in steps.notices():
        notice(text)
    float_accuracy = steps.float_accuracy() if measured else None
    origin = {"source": source} if found.weights is None else {"source": source, "weights": found.weights}
    network = _integers(steps, scheme, plan, origin, float_accuracy)
    accuracy = steps.integer_accuracy(network) if measured else None
    network = replace(network, facts={**network.facts, "accuracy": accuracy})
    check_runs(network, compression)
    checkpoint.save(network, target, compression.spec)
    _forget(training.state)
    return Report(
        network=network,
        path=Path(output),
        images=0 if steps.data.test is None else len(steps.data.test),
        float_accuracy=float_accuracy,
        accuracy=accuracy,
        sizes=layer_sizes(network, compression.spec),
        seconds=time.monotonic() - started,
    )


def scheme_of(compression: CompressionOptions, training: TrainingOptions) -> Scheme:
    """The scheme, which has to make sense of all options.

    Raises
    ------
    ShiftbookError
        It does not.
    """
    scheme = compression.make_scheme()
    if scheme.incremental and training.recipe.noise < 1:
        raise ShiftbookError(f"noise is for schemes with vectors, not for {scheme.name!r}")
    return scheme


def begin(
    found: Source,
    data: DataOptions,
    compression: CompressionOptions,
    training: TrainingOptions,
    plan: Plan | None,
    progress: Progress,
) -> Compression:
    """The steps that are ahead, once the images are read.

    Raises
    ------
    ShiftbookError
        Images that are missing or do not fit the network, or a network that cannot be read.
    """
    epochs = training.epochs + (0 if plan is None else plan.epochs)
    images = gather(found, data, epochs, compression.seed, progress)
    normalization = normalization_for(found, images.train.shape[2], data.mean, data.std, images.scale)
    return Compression(
        found, images, normalization, options=compression, training=training, progress=progress
    )


def _integers(
    steps: Compression,
    scheme: Scheme,
    plan: Plan | None,
    origin: Mapping[str, object],
    float_accuracy: float | None,
) -> Network:
    """Take all steps; the network says how it came about."""
    decomposed = {} if plan is None else steps.decompose(plan)
    quantized = steps.quantize(scheme)
    described = steps.describe(scheme)
    return steps.lower(quantized, {**origin, **described, "float_accuracy": float_accuracy, **decomposed})


def _rooted(plan: Plan | None) -> Plan | None:
    """The same with absolute paths."""
    if plan is None or plan.keep_cores is None:
        return plan
    return replace(plan, keep_cores=absolute(plan.keep_cores))


def _forget(state: Path | None) -> None:
    """Remove the state of a training that is done."""
    if state is not None:
        for file in (state, *states_of(state)):
            file.unlink(missing_ok=True)
