"""The whole way from a trained network to a checkpoint: what ``shiftbook compress`` does."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shiftbook.frontend.calibration_data import gather
from shiftbook.frontend.compression import Compression, layers_kept
from shiftbook.frontend.data.dataset import AS_IT_IS, Frame
from shiftbook.frontend.importing.load import load_model
from shiftbook.frontend.importing.normalization import normalization_for
from shiftbook.frontend.schemes import Scheme, make
from shiftbook.frontend.tensor_train.network import states_of
from shiftbook.frontend.tensor_train.plan import Plan
from shiftbook.frontend.training import train
from shiftbook.frontend.training.prune import check_density
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import absolute
from shiftbook.golden.model.network import Network
from shiftbook.golden.progress import Progress, quiet
from shiftbook.golden.spec import DEFAULT, Spec
from shiftbook.golden.statistics.sizes import Sizes, layer_sizes
from shiftbook.golden.storage import checkpoint


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
        See :func:`frontend.importing.load.load_model`.
    output
        The checkpoint; it appears whole or not at all.
    scheme, bits
        One of ``frontend.schemes.available()``, and the bits of its codes; None takes the scheme's default.
        Or a scheme with all its options.
    density
        Share of the weights to keep, in (0, 1]; None takes 0.2, and 1 for schemes with vectors.
    data
        See :func:`frontend.data.dataset.load`. Fine-tuning and calibration see its training part; both
        accuracies are of its test part.
    calibration
        Other images to calibrate on.
    frame
        The shape that the images of folders get.
    epochs
        Of fine-tuning; 0 prunes and rounds the weights of a layer together (see
        `frontend.post_training.gptq`). Where the images have no labels, the float network's own answers
        take their place.
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
    target = absolute(Path(output))
    state, log, keep_cores = (path and absolute(path) for path in (state, log, keep_cores))
    if epochs < 0:
        raise ShiftbookError(f"epochs must be at least 0, not {epochs}")
    found = load_model(source, weights, seed=seed, progress=progress)
    trained = epochs + (0 if tensor_train is None else tensor_train.epochs)
    material = gather(found, data, calibration, trained, seed, progress, frame)
    normalization = normalization_for(found, material.train.shape[2], mean, std)
    steps = Compression(
        *(found, material, normalization),
        epochs=epochs,
        seed=seed,
        recipe=recipe,
        state=state,
        log=log,
        progress=progress,
    )
    float_accuracy = steps.float_accuracy()
    decomposed = {} if tensor_train is None else steps.decompose(tensor_train, keep_cores)
    kept = layers_kept(steps.graph, uniform)
    facts = {
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
    }
    quantized = steps.quantize(chosen, density, kept, uniform_bits, importance)
    network = steps.lower(quantized, spec, facts)
    accuracy = steps.integer_accuracy(network)
    network = replace(network, facts={**network.facts, "accuracy": accuracy})
    checkpoint.save(network, target, spec)
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
