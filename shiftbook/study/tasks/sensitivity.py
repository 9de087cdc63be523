"""What pruning each layer alone costs in class scores and saves in cycles, measured on the golden model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.coding.recode import for_slots
from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.spec import Spec
from shiftbook.study.tasks.base import Made, Request, Work
from shiftbook.study.tasks.reading import images_of, network_of, network_with
from shiftbook.study.tasks.specs import coding_of, spec_of

SHARES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05)
"""That a layer's curve is measured at."""

Masks = Mapping[str, NDArray[np.bool_]]


class Sensitivity(Work):
    """``layers``, ``spec`` and ``images`` become a curve for each layer, see `allocation.Curve`.

    The network ``fine`` has 8-bit weights: they say which weights are smallest, and what losing them does to
    the scores. The other has the scheme that is asked for, and says what the rest takes.
    """

    name = "sensitivity"
    rooms = ("golden", "frontend", "api/cycles.py")
    tools = ("numpy", "pillow", "scikit-learn")

    def run(self, request: Request) -> Made:
        from shiftbook.api.cycles import cycles_of
        from shiftbook.frontend.data.network_input import for_network
        from shiftbook.golden.model import executor

        spec = spec_of(request.options["spec"])
        network = for_slots(network_of(request), coding_of(spec))
        fine = network_with(request, "fine")
        images = images_of(request.options["images"], request.places["images"], network.input.shape[2])
        pixels = for_network(images, fine).images
        layers = prunable(fine)
        wanted = executor.run(fine, pixels).outputs.astype(np.int64)
        curves: dict[str, dict[str, list[float]]] = {
            name: {"shares": list(SHARES), "cycles": [], "errors": []} for name in layers
        }
        total = 0
        for share in SHARES:
            masks = {name: largest(conv.weights.integers, share) for name, conv in layers.items()}
            found = cycles_of(pruned(network, masks, spec), spec)
            total = total or found.total
            for layer in found.layers:
                if layer.name in curves:
                    curves[layer.name]["cycles"].append(layer.cycles)
            for name in layers:
                one = pruned(fine, {name: masks[name]}, spec) if share < 1 else fine
                outputs = executor.run(one, pixels).outputs.astype(np.int64)
                curves[name]["errors"].append(float(((outputs - wanted) ** 2).sum() / len(pixels)))
        return Made({"layers": curves, "total": total})


def prunable(network: Network) -> dict[str, Conv]:
    """The layers that compressing prunes, by the paths that it knows them by.

    Raises
    ------
    ShiftbookError
        There are none.
    """
    uniform = network.facts.get("uniform_layers")
    kept = set(uniform) if isinstance(uniform, list) else set()
    found = {node.name: node for node in _convs(network) if node.name not in kept and not _depthwise(node)}
    if not found:
        raise ShiftbookError("no layer of this network is pruned: leave budget out")
    return found


def _convs(network: Network) -> Iterator[Conv]:
    return (node for node in network.nodes if isinstance(node, Conv))


def _depthwise(conv: Conv) -> bool:
    return conv.groups == len(conv.weights.integers) > 1


def largest(integers: NDArray[np.int16], share: float) -> NDArray[np.bool_]:
    """A mask of the largest weights; of equal ones the first."""
    count = max(1, round(share * integers.size))
    order = np.argsort(-np.abs(integers.astype(np.int64)), axis=None, kind="stable")
    mask = np.zeros(integers.size, bool)
    mask[order[:count]] = True
    return mask.reshape(integers.shape)


def pruned(network: Network, masks: Masks, spec: Spec) -> Network:
    """The network with zeros outside the masks of some layers, its streams coded anew."""
    nodes = []
    for node in network.nodes:
        if isinstance(node, Conv) and node.name in masks:
            integers = np.where(masks[node.name], node.weights.integers, 0).astype(np.int16)
            coding = replace(coding_of(spec), slots=network.slots)
            node = replace(node, weights=code_weights(integers, node.weights.scheme, coding))
        nodes.append(node)
    return replace(network, nodes=tuple(nodes))
