"""A network with random weights, pruned for one engine: what cycles depend on, and nothing else.

Cycles do not depend on what weights mean, but on where the zeros are; and a fair comparison of engines prunes
for each: ``compress --balance`` gives every slot equally many weights, and never fewer than the drain takes
cycles. Training for each engine would take days; random magnitudes take seconds.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shiftbook.frontend.training.prune import balance_slots
from shiftbook.frontend.training.recipe import Balance
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.model.weights import Weights
from shiftbook.golden.spec import Spec

PRUNED = 0.6
"""Layers of a lower density than this were pruned."""

LEVELS = 4
"""Powers of two that a weight can be: 4-bit shift weights."""

LARGEST = 4.0
"""Standard deviations of the largest uniform weight."""


def redrawn(network: Network, spec: Spec, density: float, bits: int | None = None) -> Network:
    """The network with normal weights in all layers that it has pruned, pruned anew for an engine.

    Channel c is in slot c mod W in all layers.

    Parameters
    ----------
    network
        Its other layers keep their weights: the first and the last, and depthwise ones.
    spec
        Slots and the cycles of a drain.
    density
        Share of the weights of pruned layers to keep; those that a drain makes free come on top.
    bits
        Of uniform weights; None draws 4-bit shift weights.

    Raises
    ------
    ShiftbookError
        The network has no pruned layer.
    """
    convs = [node for node in network.nodes if isinstance(node, Conv)]
    drawn = {conv.name: _random(conv, seed) for seed, conv in enumerate(convs) if _was_pruned(conv)}
    if not drawn:
        raise ShiftbookError(
            f"the network has no pruned layer, with a density below {PRUNED}: compress it with --density 0.2"
        )
    least = NormalDist().inv_cdf(1 - density / 2)
    masks = {name: weight.abs() > least for name, weight in drawn.items()}
    masks = balance_slots(drawn, masks, Balance(spec.slots, spec.drain_cycles))
    nodes = []
    for node in network.nodes:
        if isinstance(node, Conv):
            weights = replace(node.weights, slot_of_channel=None)
            if node.name in drawn:
                real = drawn[node.name] * masks[node.name]
                integers = _powers(real) if bits is None else _uniform(real, bits)
                values = np.unique(integers)
                weights = Weights(integers, values[values != 0], "drawn", gapless=False)
            node = replace(node, weights=weights)
        nodes.append(node)
    return replace(network, nodes=tuple(nodes), slots=spec.slots)


def _was_pruned(conv: Conv) -> bool:
    integers = conv.weights.integers
    return bool(np.count_nonzero(integers) < PRUNED * integers.size)


def _random(conv: Conv, seed: int) -> Tensor:
    """Normal weights [O, I, kh, kw]."""
    outputs, rows, cols, inputs = conv.weights.integers.shape
    return torch.randn(outputs, inputs, rows, cols, generator=torch.Generator().manual_seed(seed))


def _powers(weight: Tensor) -> NDArray[np.int16]:
    """[O, kh, kw, I] signed powers of two near the weights; the largest level is that of magnitude 2 to 4."""
    exponents = (weight.abs().log2().round() + LEVELS - 2).clamp(0, LEVELS - 1)
    return _integers(torch.where(weight == 0, 0.0, weight.sign() * 2.0**exponents))


def _uniform(weight: Tensor, bits: int) -> NDArray[np.int16]:
    """[O, kh, kw, I] integers of the same sign; the largest is that of `LARGEST`."""
    most = (1 << (bits - 1)) - 1
    sizes = (weight.abs() * most / LARGEST).round().clamp(1, most)
    return _integers(torch.where(weight == 0, 0.0, weight.sign() * sizes))


def _integers(weight: Tensor) -> NDArray[np.int16]:
    """[O, kh, kw, I] from [O, I, kh, kw]."""
    return weight.permute(0, 2, 3, 1).to(torch.int16).contiguous().numpy()
