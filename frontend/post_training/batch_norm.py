"""Batch norm statistics after a network's weights have changed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shiftbook.frontend.data.batches import Images, batch_size
from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.importing.normalization import Normalization
from shiftbook.frontend.training import train
from shiftbook.frontend.training.recipe import Recipe


def refresh_statistics(
    model: nn.Module,
    graph: LayerGraph,
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
    old = float(((scores(graph, inputs) - wanted) ** 2).mean())
    flip = Recipe().mirrors(images)
    train.remeasure_batch_norm(model, images, normalization.mean, normalization.std, seed, flip)
    if float(((scores(graph, inputs) - wanted) ** 2).mean()) < old:
        return True
    for name, value in model.named_buffers():
        value.copy_(before[name])
    return False


def scores(graph: LayerGraph, inputs: Tensor) -> Tensor:
    """[N, classes, 1, 1] what the float layers give for normalized images."""
    batch = batch_size(inputs.shape[2], inputs.shape[3], len(inputs))
    return torch.cat([graph.run(part) for part in inputs.split(batch)])
