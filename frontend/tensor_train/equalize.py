"""Scale the channels between two cores so that 8 bits serve all of them.

The tensors within a chain have one scale for all their channels, and TT-SVD leaves channels of very
different size. Nothing lies between two cores, so a channel can be made larger by any factor before it and
smaller by the same behind it: here so that all reach equally far.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from shiftbook.frontend.data.batches import batch_size
from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.tensor_train.chain import Chain, chains


@torch.no_grad()
def equalize_channels(model: nn.Module, graph: LayerGraph, images: Tensor) -> None:
    """Scale the channels within all chains of a model, which goes on computing the same.

    Parameters
    ----------
    graph
        Fused from the model, with its weights.
    images
        Normalized, float [N, C, H, W].
    """
    found = chains(model)
    inner = {
        f"{path}.{name}" for path, chain in found.items() for name, _ in list(chain.named_children())[:-1]
    }
    paths = {layer.name: layer.path for layer in graph.convs() if layer.path in inner}
    reach: dict[str, Tensor] = {}

    def observe(name: str, value: Tensor) -> None:
        if name in paths:
            largest = value.abs().amax(dim=(0, 2, 3))
            reach[paths[name]] = torch.maximum(reach.get(paths[name], largest), largest)

    for part in images.split(batch_size(images.shape[2], images.shape[3], len(images))):
        graph.run(part, observe)
    for path, chain in found.items():
        _scale(path, chain, reach)


def _scale(path: str, chain: Chain, reach: dict[str, Tensor]) -> None:
    modules = list(chain.named_children())
    for link, ((name, before), (_, after)) in zip(chain.links, pairwise(modules), strict=False):
        assert isinstance(before, nn.Conv2d)
        assert isinstance(after, nn.Conv2d)
        rank = chain.bonds[link.core]
        # The channels are runs of the bond's rank, each run with the same weights behind it.
        largest = reach[f"{path}.{name}"].reshape(-1, rank).amax(dim=0)
        alive = largest > 0
        scale = torch.where(alive, largest[alive].mean() / largest, torch.ones_like(largest))
        before.weight.mul_(scale.repeat(len(before.weight) // rank)[:, None, None, None])
        after.weight.div_(scale.repeat(after.weight.shape[1] // rank)[None, :, None, None])
