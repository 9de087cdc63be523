"""What pruning one layer alone does to the class scores, where the layer's other weights make up for it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from shiftbook.frontend.fusing.conv_layer import ConvLayer
from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.graph.model import INPUT
from shiftbook.frontend.post_training.gptq import (
    INPUTS,
    Pair,
    images_that_fit,
    products,
    restore_mean,
    round_weights,
)
from shiftbook.frontend.schemes.base import QuantizedLayer
from shiftbook.frontend.training.layer_state import LayerState, States
from shiftbook.golden.progress import Progress, quiet

Values = Mapping[str, Tensor]


@dataclass(frozen=True)
class PrunedLayer:
    """One layer, pruned to one share of its weights.

    Attributes
    ----------
    weights
        Pruned and rounded.
    error
        Mean square by which the class scores of the float network move with them.
    """

    weights: QuantizedLayer
    error: float


@torch.no_grad()
def prune_each_alone(
    graph: LayerGraph,
    states: States,
    images: Tensor,
    shares: Sequence[float],
    seed: int = 0,
    progress: Progress = quiet,
) -> dict[str, list[PrunedLayer]]:
    """Prune and round each layer as `frontend.post_training.gptq` does, while all others stay float.

    Parameters
    ----------
    graph
        With the float weights; it stays as it is.
    states
        By module path; those that may be pruned count.
    images
        Normalized, float [N, C, H, W]; where the memory has no room for all, some of them.
    shares
        Of its weights that a layer keeps, in (0, 1].

    Returns
    -------
    By the paths of the layers, one result for each share.
    """
    images = images_that_fit(graph, images)
    wanted = graph.run(images)
    last_use = {name: i for i, layer in enumerate(graph.layers) for name in layer.inputs}
    values: dict[str, Tensor] = {INPUT: images}
    found: dict[str, list[PrunedLayer]] = {}
    for i, layer in enumerate(graph.layers):
        if isinstance(layer, ConvLayer) and states[layer.path].prunable and layer.path not in found:
            met = _met(layer, values)
            found[layer.path] = [
                _pruned(graph, i, states[layer.path], share, met, values, wanted, seed) for share in shares
            ]
        values[layer.name] = layer(*(values[name] for name in layer.inputs))
        for name in layer.inputs:
            if last_use[name] == i and name not in graph.results:
                values.pop(name, None)
        progress("pruning layers alone", i + 1, len(graph.layers))
    return found


def _met(layer: ConvLayer, values: Values) -> Pair | None:
    """What the weights meet; None where they are too many to make up for each other."""
    if layer.weight()[0].numel() > INPUTS:
        return None
    source = values[layer.source]
    return products(layer, [(source, source)])


def _pruned(
    graph: LayerGraph,
    place: int,
    state: LayerState,
    share: float,
    met: Pair | None,
    values: Values,
    wanted: Tensor,
    seed: int,
) -> PrunedLayer:
    """The layer at a place in the graph with a share of its weights."""
    now = copy.deepcopy(graph)
    layer, was = now.layers[place], graph.layers[place]
    assert isinstance(layer, ConvLayer)
    assert isinstance(was, ConvLayer)
    weight = layer.module.weight
    assert isinstance(weight, nn.Parameter)
    alone = replace(state, weight=weight, mask=_first(share, state.mask), fits=0)
    weights = round_weights(alone, met, seed, None)
    restore_mean(layer, was, [[(values[name], values[name]) for name in layer.inputs]])
    scores = now.run_from(place, values)
    return PrunedLayer(weights, float((scores - wanted).square().mean()))


def _first(share: float, mask: Tensor) -> Tensor:
    """A mask of the same shape with a share of ones; which ones does not matter yet."""
    ones = torch.arange(mask.numel()) < max(1, round(share * mask.numel()))
    return ones.reshape(mask.shape)
