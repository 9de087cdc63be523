"""The answers of the float network that a checkpoint was made from."""

from __future__ import annotations

from pathlib import Path

from shiftbook.frontend.data.batches import Images, Labels
from shiftbook.frontend.float_network import FloatNetwork
from shiftbook.frontend.importing.load import load_model
from shiftbook.frontend.training.train import answers
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.validate import class_count
from shiftbook.golden.progress import Progress, quiet


def float_answers(
    network: Network,
    images: Images,
    source: str,
    weights: str | Path | None = None,
    progress: Progress = quiet,
) -> Labels:
    """Classes [N] that the float network gives raw images, normalized as for the compressed one.

    Parameters
    ----------
    network
        The compressed network; its facts hold normalization and seed.
    images
        uint8 [N, H, W, C].
    source, weights
        See :func:`frontend.importing.load.load_model`.

    Raises
    ------
    ShiftbookError
        The float network cannot be had, has other outputs, or the checkpoint does not say how to normalize.
    """
    facts = network.facts
    mean, std = facts.get("mean"), facts.get("std")
    if not isinstance(mean, list) or not isinstance(std, list):
        raise ShiftbookError("the checkpoint does not hold its normalization's numbers: compress it again")
    seed = facts.get("seed")
    model = load_model(source, weights, seed=seed if isinstance(seed, int) else 0, progress=progress).model
    height, width, channels = network.input.shape
    read = FloatNetwork.of(model, (channels, height, width))
    outputs = read.layers.classes
    classes = class_count(network)
    if classes is None or outputs is None:
        raise ShiftbookError("answers are compared by class scores, and the network gives maps")
    if outputs != classes:
        raise ShiftbookError(f"{source} has {outputs} outputs, but the checkpoint has {classes}")
    return answers(read.graph, images, mean, std)
