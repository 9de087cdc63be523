"""Runs a whole network on the integer layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod

import numpy as np

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.limits import limits
from shiftbook.golden.model import integer
from shiftbook.golden.model.network import Network, zero_points
from shiftbook.golden.model.nodes.base import Activations, Node
from shiftbook.golden.model.validate import shapes, validate


@dataclass(frozen=True)
class Result:
    """What a run yields: the results, and on request every tensor.

    Attributes
    ----------
    outputs
        uint8 [N, n]: all results of an image, flattened, one after another; class scores are [N, classes].
    results
        uint8 [N, h, w, c] by the names of the network's results.
    tensors
        The same by the names of the input and of every node.
    """

    outputs: Activations
    results: dict[str, Activations]
    tensors: dict[str, Activations] = field(default_factory=dict)


def run(
    network: Network,
    images: Activations,
    *,
    batch: int = 32,
    keep: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Result:
    """Run raw uint8 images [N, H, W, C] through a network.

    Parameters
    ----------
    batch
        Images that go through the network together at most; fewer where their tensors are large.
    keep
        Also return every tensor.
    progress
        Called after each batch with the number of its images.

    Raises
    ------
    ShiftbookError
        The network is inconsistent, or the images do not have its input's shape.
    """
    validate(network)
    if images.dtype != np.uint8 or images.shape[1:] != network.input.shape:
        raise ShiftbookError(
            f"images must be uint8 {('N', *network.input.shape)}, not {images.dtype} {images.shape}".replace(
                "'", ""
            )
        )
    if not len(images):
        raise ShiftbookError("there are no images to run")
    batch = max(1, min(batch, limits().tensors // sum(map(prod, shapes(network).values()))))
    names = [network.input.name, *(node.name for node in network.nodes)]
    wanted = names if keep else network.results
    parts: dict[str, list[Activations]] = {name: [] for name in wanted}
    for first in range(0, len(images), batch):
        tensors = _forward(network, images[first : first + batch], keep)
        for name in wanted:
            parts[name].append(tensors[name])
        if progress is not None:
            progress(len(tensors[network.results[0]]))
    whole = {name: np.concatenate(part) for name, part in parts.items()}
    results = {name: whole[name] for name in network.results}
    flat = [result.reshape(len(images), -1) for result in results.values()]
    return Result(np.concatenate(flat, axis=1), results, whole if keep else {})


def run_node(node: Node, tensors: dict[str, Activations], zero: dict[str, int]) -> Activations:
    """One node on the tensors [N, h, w, c] that it needs, with the zero points of all tensors."""
    return node.run([tensors[name] for name in node.inputs], [zero[name] for name in node.inputs])


def _forward(network: Network, images: Activations, keep: bool) -> dict[str, Activations]:
    zero = zero_points(network)
    last_use: dict[str, int] = {}
    for index, node in enumerate(network.nodes):
        last_use.update(dict.fromkeys(node.inputs, index))
    last_use.update(dict.fromkeys(network.results, len(network.nodes)))
    tensors = {network.input.name: integer.requantize(images, network.input.requantize)}
    for index, node in enumerate(network.nodes):
        tensors[node.name] = run_node(node, tensors, zero)
        if not keep:
            for name in [name for name in tensors if last_use.get(name, len(network.nodes)) <= index]:
                del tensors[name]
    return tensors
