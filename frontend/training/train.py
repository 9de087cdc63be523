"""Make a model's weights quantized: at once, or by pruning and incremental quantization in fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from shiftbook.frontend.data.batches import Images, Labels, augment, batch_size, normalize
from shiftbook.frontend.schemes.base import QuantizedLayer, Scheme
from shiftbook.frontend.training.finetune import Data, FineTuning, predictions, share_right
from shiftbook.frontend.training.layer_context import Surroundings
from shiftbook.frontend.training.layer_state import States, layer_states, prune_layers, refresh, results
from shiftbook.frontend.training.recipe import Recipe, check_density
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.progress import Progress, quiet

NORM_IMAGES = 8192
"""Images on which batch norm statistics are measured again, at most."""


def quantize_weights(
    model: nn.Module,
    layers: Sequence[str],
    scheme: Scheme,
    *,
    density: float = 1.0,
    densities: Mapping[str, float] | None = None,
    epochs: int = 0,
    data: Data | None = None,
    mean: Sequence[float] = (0.485, 0.456, 0.406),
    std: Sequence[float] = (0.229, 0.224, 0.225),
    uniform: Collection[str] = (),
    uniform_bits: int = 8,
    surroundings: Mapping[str, Surroundings] | None = None,
    seed: int = 0,
    progress: Progress = quiet,
    recipe: Recipe | None = None,
    state: Path | None = None,
    log: Path | None = None,
    validation: Data | None = None,
    together: Callable[[States], None] | None = None,
    teacher: nn.Module | None = None,
) -> dict[str, QuantizedLayer]:
    """Prune and quantize the weights of a model, in place.

    Parameters
    ----------
    model
        The trained float network. Its weights become the quantized real values. Batch norm follows them in
        training; after epochs = 0 see `remeasure_batch_norm`.
    layers
        Module paths of the convolutions and linear layers to compress.
    scheme
        For every layer but those in ``uniform``.
    uniform, uniform_bits
        Layers that are not pruned, and the bits of their weights.
    surroundings
        What each layer meets in the network; without, fully connected layers are 1x1 convolutions and no
        sign turns.
    density
        Share of weights to keep in (0, 1], over all layers that are pruned.
    densities
        Shares of single layers by module path; ``density`` is that of the others.
    epochs
        0 quantizes at once (post-training); otherwise ``data`` is needed.
    data, validation
        Raw images and labels; the accuracy on ``validation`` is logged after each epoch.
    mean, std
        Input normalization, one value a channel.
    seed
        Together with the arguments it decides everything, on one machine with one number of threads.
    state
        File that holds the state after each epoch; if it is there, training goes on from it. It stays
        when training is done.
    log
        File that gets one line of JSON for each epoch.

    together
        With 0 epochs: prunes and rounds the layers instead of each weight for itself, given masks of the
        right density (see `frontend.post_training.gptq`).
    teacher
        The network whose answers distillation asks for; None takes the model as it is now.

    Returns
    -------
    The quantized layers by module path, in the order of ``layers``.

    Raises
    ------
    ShiftbookError
        Weights that are not finite, a bad density, training without data or that diverges, a state
        of another run.
    """
    check_density(density)
    if epochs < 0:
        raise ShiftbookError(f"epochs must be 0 or more, not {epochs}")
    images = 0 if data is None else len(data[0])
    if epochs and images < 2:
        raise ShiftbookError(
            f"fine-tuning for {epochs} epochs needs 2 labelled images or more, not {images}; "
            f"give data or 0 epochs"
        )
    recipe = recipe or Recipe()
    states = layer_states(model, layers, scheme, uniform, surroundings, uniform_bits)
    own = check_densities(densities or {}, states)
    if epochs and data is not None:
        run = FineTuning(model, states, data, mean, std, density, epochs, seed, recipe, teacher, own)
        run.go(progress, state, log, validation)
    else:
        prune_layers(states, density, recipe.balance, hysteresis=0.0, own=own)
        if together is None:
            refresh(states.values(), seed, progress)
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
