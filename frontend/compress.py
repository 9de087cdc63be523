"""The whole way from a trained network to a checkpoint: what ``shiftbook compress`` does."""

from __future__ import annotations

import copy
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from frontend import train
from frontend.batches import Images, batch_size, normalize
from frontend.calibrate import calibrate
from frontend.compensate import compensate
from frontend.data import (
    AS_IT_IS,
    Dataset,
    Frame,
    Part,
    check_labels,
    check_shape,
    has_own_split,
    load,
)
from frontend.finetune import Data
from frontend.graph import Graph
from frontend.load import Source, load_model
from frontend.lower import Normalization, lower
from frontend.progress import Progress, quiet
from frontend.prune import check_density
from frontend.schemes import QuantizedLayer, Scheme, make
from frontend.surroundings import surroundings
from frontend.tensor_train.decomposition import Training, decompose_network
from frontend.tensor_train.network import facts_of, states_of
from frontend.tensor_train.plan import Plan
from frontend.trace import any_layout, trace
from golden import checkpoint, executor
from golden.decomposed import FACT
from golden.distribution import MIXTURES
from golden.errors import ShiftbookError
from golden.network import Network
from golden.sizes import Sizes, layer_sizes
from golden.spec import DEFAULT, Spec

CALIBRATION_IMAGES = 1024
"""Images that scales are calibrated on; twice as many change no scale of ResNet-20 by more than 2 %."""

STATISTICS_IMAGES = 4096
"""Images that are read where there is no fine-tuning: to measure batch norm again, and to calibrate."""

COLOUR_MEAN = (0.485, 0.456, 0.406)
COLOUR_STD = (0.229, 0.224, 0.225)
"""The normalization that networks for colour images are usually trained with; others get pixels in 0..1."""


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
    scheme: str | Scheme = "focused",
    bits: int | None = None,
    density: float | None = None,
    data: str | Path | None = None,
    calibration: str | Path | None = None,
    frame: Frame = AS_IT_IS,
    weights: str | Path | None = None,
    epochs: int = 0,
    seed: int = 0,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    uniform: Collection[str] | None = None,
    uniform_bits: int = 8,
    spec: Spec = DEFAULT,
    importance: bool = False,
    recipe: train.Recipe | None = None,
    state: Path | None = None,
    log: Path | None = None,
    tensor_train: Plan | None = None,
    keep_cores: Path | None = None,
    progress: Progress = quiet,
) -> Report:
    """Compress a network and write its checkpoint.

    Parameters
    ----------
    source, weights
        See :func:`frontend.load.load_model`.
    output
        The checkpoint; it appears whole or not at all.
    scheme, bits
        One of ``frontend.schemes.available()``, and the bits of its codes; None takes the scheme's default.
        Or a scheme with all its options.
    density
        Share of the weights to keep, in (0, 1]; None takes 0.2, and 1 for schemes with vectors.
    data
        See :func:`frontend.data.load`. Fine-tuning and calibration see its training part; both accuracies
        are of its test part.
    calibration
        Other images to calibrate on.
    frame
        The shape that the images of folders get.
    epochs
        Of fine-tuning; 0 prunes and rounds the weights of a layer together (see `frontend.compensate`).
        Where the images have no labels, the float network's own answers take their place.
    mean, std
        Input normalization, one value a channel. By default the zoo entry's own, for colour images
        .485 .456 .406 and .229 .224 .225, else 0 and 1.
    uniform
        Paths of layers that are not pruned and get uniform weights whatever the scheme; None means the first
        and the last.
    uniform_bits
        Bits of these weights, 3..8.
    spec
        Widths, and the weight slots that the streams are coded for.
    importance
        Fit codebooks to what the weights do to the calibration images: an error counts by the mean square
        of the input that it meets.
    recipe
        How to fine-tune.
    state
        File that holds the state after each epoch of fine-tuning. If it is there, fine-tuning goes on from
        it; it is removed once the checkpoint is written.
    log
        File that gets one line of JSON for each epoch.
    tensor_train
        How to decompose convolutions first; the scheme is then that of their cores. Where torchrun launched
        several processes they train together, and all but the first end then.
    keep_cores
        File for the trained float network with its cores; if it is there, they are taken from it.

    Raises
    ------
    ShiftbookError
        Anything about the input that the user can mend, before anything is written.
    """
    started = time.monotonic()
    chosen = make(scheme, spec, bits=bits) if isinstance(scheme, str) else scheme
    density = chosen.density if density is None else check_density(density)
    if epochs < 0:
        raise ShiftbookError(f"epochs must be at least 0, not {epochs}")
    found = load_model(source, weights, seed=seed, progress=progress)
    trained = epochs + (0 if tensor_train is None else tensor_train.epochs)
    material = gather(found, data, calibration, trained, seed, progress, frame)
    normalization = normalization_for(found, material.train.shape[2], mean, std)
    graph, model = _traced(found.model, material)
    float_accuracy = _float_accuracy(model, material.test, normalization, progress)
    decomposed: dict[str, object] = {}
    inputs = normalize(material.calibration(seed).images, normalization.mean, normalization.std)
    teacher = None
    if tensor_train is not None:
        teacher = copy.deepcopy(found.model) if epochs else None
        lessons = _lessons(model, material, normalization, progress) if tensor_train.epochs else None
        training = Training(
            data=lessons,
            mean=normalization.mean,
            std=normalization.std,
            seed=seed,
            recipe=recipe or train.Recipe(),
            state=state,
            log=log,
        )
        before = _scores(graph, inputs)
        facts = decompose_network(found.model, graph, tensor_train, training, inputs, keep_cores, progress)
        graph, model = _traced(found.model, material)
        if not facts.get("trained"):
            refresh_statistics(model, graph, material.train.images, normalization, inputs, before, seed)
        decomposed = {
            "tensor_train": facts,
            "cores_accuracy": _float_accuracy(model, material.test, normalization, progress),
            FACT: facts_of(found.model, graph),
        }
    kept = ends(graph) if uniform is None else _checked_paths(graph, uniform)
    compensated = epochs == 0 and chosen.incremental
    balance = None if recipe is None else recipe.balance
    wanted = _scores(graph, inputs) if epochs == 0 and not compensated else None
    quantized = train.quantize_weights(
        model,
        graph.paths,
        chosen,
        density=density,
        epochs=epochs,
        data=_lessons(model, material, normalization, progress) if epochs else None,
        mean=normalization.mean,
        std=normalization.std,
        uniform=set(kept),
        uniform_bits=uniform_bits,
        surroundings=surroundings(graph, inputs if importance else None),
        seed=seed,
        progress=progress,
        recipe=recipe,
        state=state,
        log=log,
        teacher=teacher,
        together=partial(compensate, graph, images=inputs, seed=seed, progress=progress, balance=balance)
        if compensated
        else None,
    )
    if wanted is not None:
        refresh_statistics(model, graph, material.train.images, normalization, inputs, wanted, seed)
    network = lower(
        graph,
        quantized,
        calibrate(graph, inputs, input_range=normalization.range(), progress=progress),
        normalization,
        spec=spec,
        seed=seed,
        classes=material.class_names(graph.classes),
        facts={
            "source": source,
            "scheme": chosen.name,
            **chosen.describe(),
            "density": density,
            "epochs": epochs,
            "seed": seed,
            "uniform_layers": list(kept),
            "uniform_bits": uniform_bits,
            "mean": list(normalization.mean),
            "std": list(normalization.std),
            "float_accuracy": float_accuracy,
            **decomposed,
            **_mixtures(graph, quantized),
        },
        progress=progress,
    )
    accuracy = _golden_accuracy(network, material.test, progress)
    network = replace(network, facts={**network.facts, "accuracy": accuracy})
    checkpoint.save(network, Path(output), spec)
    if state is not None:
        for file in (state, *states_of(state)):
            file.unlink(missing_ok=True)
    return Report(
        network=network,
        path=Path(output),
        images=0 if material.test is None else len(material.test),
        float_accuracy=float_accuracy,
        accuracy=accuracy,
        sizes=layer_sizes(network, spec),
        seconds=time.monotonic() - started,
    )


def _mixtures(graph: Graph, quantized: Mapping[str, QuantizedLayer]) -> dict[str, object]:
    """The fact that names the mixtures of layers that were fitted with one; none where there are none."""
    found = {layer.name: quantized[layer.path].facts.get("mixture") for layer in graph.convs()}
    found = {name: mixture for name, mixture in found.items() if mixture is not None}
    return {MIXTURES: found} if found else {}


def _traced(model: nn.Module, material: Material) -> tuple[Graph, nn.Module]:
    """The model's layers, and the model itself for tensors of any layout; its images and labels must fit."""
    height, width, channels = material.train.shape
    graph = trace(model, (channels, height, width))
    material.check(graph.classes)
    return graph, any_layout(model, (channels, height, width))


def refresh_statistics(
    model: nn.Module,
    graph: Graph,
    images: Images,
    normalization: Normalization,
    inputs: Tensor,
    wanted: Tensor,
    seed: int,
) -> bool:
    """Measure batch norm again after quantization, and keep that where it brings back the float scores.

    Coarse weights shift the activations, and new statistics undo much of it: the squared error of ResNet-20's
    scores halves with 5-bit shift weights. With int8 weights there is nothing to undo, and the difference
    between these images and those of the training is 100 times the error of the weights.

    Parameters
    ----------
    images
        uint8 [N, H, W, C], to measure on.
    inputs, wanted
        Normalized images and the float model's scores for them.

    Returns
    -------
    Whether the new statistics were kept.
    """
    before = {name: value.clone() for name, value in model.named_buffers()}
    old = float(((_scores(graph, inputs) - wanted) ** 2).mean())
    flip = train.Recipe().mirrors(images)
    train.remeasure_batch_norm(model, images, normalization.mean, normalization.std, seed, flip)
    if float(((_scores(graph, inputs) - wanted) ** 2).mean()) < old:
        return True
    for name, value in model.named_buffers():
        value.copy_(before[name])
    return False


def _scores(graph: Graph, inputs: Tensor) -> Tensor:
    """[N, classes, 1, 1] what the float layers give for normalized images."""
    batch = batch_size(inputs.shape[2], inputs.shape[3], len(inputs))
    return torch.cat([graph.run(part) for part in inputs.split(batch)])


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
    data: str | Path | None,
    calibration: str | Path | None,
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


def normalization_for(
    found: Source, channels: int, mean: Sequence[float] | None, std: Sequence[float] | None
) -> Normalization:
    """The user's normalization, else the zoo's, else the usual one.

    Raises
    ------
    ShiftbookError
        There is not one value a channel, or a deviation is not positive.
    """
    colour = channels == len(COLOUR_MEAN)
    usual_mean = found.mean or (COLOUR_MEAN if colour else (0.0,) * channels)
    usual_std = found.std or (COLOUR_STD if colour else (1.0,) * channels)
    result = Normalization(
        usual_mean if mean is None else tuple(mean), usual_std if std is None else tuple(std)
    )
    for name, values in (("mean", result.mean), ("std", result.std)):
        if len(values) != channels or not np.isfinite(values).all():
            raise ShiftbookError(
                f"{name} must be {channels} finite numbers, one for each channel, not {list(values)}"
            )
    if min(result.std) <= 0:
        raise ShiftbookError(f"std must be positive, not {list(result.std)}")
    return result


def ends(graph: Graph) -> tuple[str, ...]:
    """Paths of the first and the last layer, which have few weights and matter most.

    Measured on ResNet-20, 5-bit shift, each weight rounded for itself, CIFAR-10 (JPEG copy), 2,000 images
    (float 88.70 %): 86.70 % with all layers at 5 bits, 87.40 % with the first at 8, 86.75 % with the last,
    87.65 % with both, which hold 1,072 of 268,336 weights. Focused weights in the last layer triple the
    squared error of the class scores there.
    """
    return tuple(dict.fromkeys((graph.paths[0], graph.paths[-1])))


def _checked_paths(graph: Graph, paths: Collection[str]) -> tuple[str, ...]:
    for path in paths:
        if path not in graph.paths:
            raise ShiftbookError(f"there is no layer {path!r} to keep: choose of {', '.join(graph.paths)}")
    return tuple(paths)


def _lessons(model: nn.Module, material: Material, normalization: Normalization, progress: Progress) -> Data:
    """What to fine-tune on; images without labels get the float network's own answers."""
    images, labels = material.train.images, material.train.labels
    if labels is None:
        progress("answers of the float network", 0, 1)
        labels = train.answers(model, images, normalization.mean, normalization.std)
        progress("answers of the float network", 1, 1)
    return images, labels


def _float_accuracy(
    model: nn.Module, test: Dataset | None, normalization: Normalization, progress: Progress
) -> float | None:
    if test is None or test.labels is None:
        return None
    progress("float accuracy", 0, 1)
    result = train.accuracy(model, (test.images, test.labels), normalization.mean, normalization.std)
    progress("float accuracy", 1, 1)
    return result


def _golden_accuracy(network: Network, test: Dataset | None, progress: Progress) -> float | None:
    if test is None or test.labels is None:
        return None
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        progress("integer accuracy", done, len(test))

    outputs = executor.run(network, test.images, progress=count).outputs
    return float((outputs.argmax(axis=1) == test.labels).mean())
