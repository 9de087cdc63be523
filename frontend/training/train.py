"""Make a model's weights quantized: at once, or by pruning and incremental quantization in fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from shiftbook.frontend.data.batches import Images, Labels, augment, batch_size, normalize
from shiftbook.frontend.schemes.base import QuantizedLayer
from shiftbook.frontend.training import kept_weights
from shiftbook.frontend.training.evaluation import predictions, share_right
from shiftbook.frontend.training.finetune import FineTuning
from shiftbook.frontend.training.layer_state import States, layer_states, prune_layers, refresh, results
from shiftbook.frontend.training.recipe import check_density
from shiftbook.frontend.training.target import Target
from shiftbook.frontend.training.training import Data, Training
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.progress import Progress, quiet

NO_TRAINING = Training()
"""No images: for what trains nothing."""

NORM_IMAGES = 8192
"""Images on which batch norm statistics are measured again, at most."""


def quantize_weights(
    model: nn.Module,
    layers: Sequence[str],
    target: Target,
    training: Training = NO_TRAINING,
    *,
    epochs: int = 0,
    validation: Data | None = None,
    teacher: nn.Module | None = None,
    together: Callable[[States], None] | None = None,
    progress: Progress = quiet,
) -> dict[str, QuantizedLayer]:
    """Prune and quantize the weights of a model, in place.

    Parameters
    ----------
    model
        The trained float network. Its weights become the quantized real values. Batch norm follows them in
        training; after epochs = 0 see `remeasure_batch_norm`.
    layers
        Module paths of the convolutions and linear layers to compress.
    target
        What their weights become.
    training
        With 0 epochs its seed and its recipe's balance count. Its state stays when training is done.
    epochs
        0 quantizes at once (post-training); otherwise ``training`` needs data.
    validation
        Raw images and labels; the accuracy on them is logged after each epoch.
    teacher
        The network whose answers distillation asks for; None takes the model as it is now.
    together
        With 0 epochs: prunes and rounds the layers instead of each weight for itself, given masks of the
        right density (see `frontend.post_training.gptq`).

    Returns
    -------
    The quantized layers by module path, in the order of ``layers``.

    Raises
    ------
    ShiftbookError
        Weights that are not finite, training without data or that diverges, a state of another run.
    """
    if epochs < 0:
        raise ShiftbookError(f"epochs must be 0 or more, not {epochs}")
    images = 0 if training.data is None else len(training.data[0])
    if epochs and images < 2:
        raise ShiftbookError(
            f"fine-tuning for {epochs} epochs needs 2 labelled images or more, not {images}; "
            f"give data or 0 epochs"
        )
    states = layer_states(model, layers, target)
    own = check_densities(target.densities, states)
    if epochs:
        run = FineTuning(model, states, training, target.density, epochs, teacher, own)
        run.go(progress, training.state, training.log, validation)
        if training.keep_weights is not None:
            kept_weights.save(model, states, training.keep_weights)
    else:
        prune_layers(states, target.density, training.recipe.balance, hysteresis=0.0, own=own)
        if together is None:
            refresh(states.values(), training.seed, progress)
        else:
            together(states)
    return results(states)


def check_densities(densities: Mapping[str, float], states: States) -> Mapping[str, float]:
    """Return the densities of layers, or refuse one of a layer that is not there or never pruned."""
    for name, density in densities.items():
        prunable = [path for path, state in states.items() if state.prunable]
        if name not in prunable:
            why = "is never pruned" if name in states else "is not there"
            raise ShiftbookError(
                f"densities name a layer {name!r} that {why}: choose of {', '.join(prunable)}"
            )
        check_density(density)
    return densities


def accuracy(model: nn.Module, data: Data, mean: Sequence[float], std: Sequence[float]) -> float:
    """Return the share of images whose largest output is their label, in evaluation mode."""
    return share_right(model, model, data, mean, std, bfloat16=False)


def answers(model: nn.Module, images: Images, mean: Sequence[float], std: Sequence[float]) -> Labels:
    """Return int64 [N] the model's own classes for raw images, in evaluation mode."""
    return predictions(model, model, images, mean, std, bfloat16=False)


def remeasure_batch_norm(
    model: nn.Module,
    images: Images,
    mean: Sequence[float],
    std: Sequence[float],
    seed: int,
    flip: bool,
) -> None:
    """Measure the statistics of every batch norm again, on at most `NORM_IMAGES` augmented images.

    Quantized weights give other activations than those that the running averages remember. Images are
    augmented as in training, which the statistics came from: on clean images ResNet-20 lost 0.1 to 0.5
    points (CIFAR-10, JPEG copy).
    """
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    norms = [norm for norm in norms if norm.track_running_stats]
    if not norms:
        return
    random = np.random.default_rng([seed, 1])
    batch = batch_size(images.shape[1], images.shape[2], 256)
    chosen = random.permutation(len(images))[:NORM_IMAGES]
    momentums = [norm.momentum for norm in norms]
    was_training = model.training
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # A plain average over all batches.
        norm.train()
    with torch.no_grad():
        for part in np.array_split(chosen, max(1, len(chosen) // batch)):
            model(normalize(augment(images[part], mean, flip, random), mean, std))
    for norm, momentum in zip(norms, momentums, strict=True):
        norm.momentum = momentum
    model.train(was_training)
