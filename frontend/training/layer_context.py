"""What a layer's weights meet in the network: the kernel's shape, batch norm's sign, the inputs' size."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from shiftbook.frontend.data.batches import batch_size
from shiftbook.frontend.fusing.conv_layer import ConvLayer
from shiftbook.frontend.fusing.layer_graph import LayerGraph


@dataclass(frozen=True)
class LayerContext:
    """What a layer's weights meet in the network.

    Members
    -------
    kernel : (kh, kw), of a fully connected layer the rows and columns of its input
    sign : float [O], O as stored, -1 where the batch norm that follows turns the channel's sign, else 1
    moments : float [I, kh, kw], mean squares of the inputs; None where they do not matter
    """

    kernel: tuple[int, int]
    sign: Tensor
    moments: Tensor | None = None


def layer_contexts(graph: LayerGraph, inputs: Tensor | None = None) -> dict[str, LayerContext]:
    """Return the contexts of all layers by module path; of a module called twice those of the first call.

    Parameters
    ----------
    inputs
        Normalized images to measure moments on; None leaves them out.
    """
    moments: dict[str, Tensor] = {}
    if inputs is not None:
        wanted = {layer.source for layer in graph.convs()}

        def observe(name: str, value: Tensor) -> None:
            if name in wanted:
                moments[name] = moments.get(name, 0.0) + value.square().sum(dim=0) / len(inputs)

        for part in inputs.split(batch_size(inputs.shape[2], inputs.shape[3], len(inputs))):
            graph.run(part, observe)
    found: dict[str, LayerContext] = {}
    for layer in graph.convs():
        if layer.path not in found:
            moment = moments.get(layer.source)
            found[layer.path] = LayerContext(
                layer.kernel, _sign(layer), None if moment is None else _seen(layer, moment)
            )
    return found


def _sign(layer: ConvLayer) -> Tensor:
    if layer.norm is None or not layer.norm.affine:
        return torch.ones(len(layer.module.weight))
    signs = torch.where(layer.norm.weight.detach() < 0, -1.0, 1.0).reshape(layer.copies, -1)
    # Copies that disagree cannot be turned together: lowering then gives up that they share weights.
    return torch.where((signs < 0).all(dim=0), -1.0, 1.0)


def _seen(layer: ConvLayer, moment: Tensor) -> Tensor:
    """Mean squares [I, kh, kw] of what each weight is multiplied with, from those of the pixels [C, H, W]."""
    if isinstance(layer.module, torch.nn.Linear):
        return moment
    by_channel = moment.mean(dim=(1, 2)).reshape(layer.groups * layer.copies, -1).mean(dim=0)
    return by_channel[:, None, None].expand(-1, *layer.kernel)
