"""A network with random weights, pruned for one engine: what cycles depend on, and nothing else.

Cycles do not depend on what weights mean, but on where the zeros are; and a fair comparison of engines prunes
for each: ``compress --balance`` gives every slot equally many weights, and never fewer than the drain takes
cycles. Training for each engine would take days; random magnitudes take seconds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from shiftbook.frontend.schemes.shift import Shift
from shiftbook.frontend.training.prune import balance_slots, prune
from shiftbook.frontend.training.recipe import Balance
from shiftbook.golden.coding import streams
from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.model.weights import Weights
from shiftbook.golden.spec import Spec

PRUNED = 0.6
"""Layers of a lower density than this were pruned."""

BITS = 4
"""Of a shift weight: exponents 0 to 3."""


def redrawn(network: Network, spec: Spec, density: float) -> Network:
    """The network with random weights in all layers that it has pruned, pruned anew for an engine.

    Parameters
    ----------
    network
        Its other layers keep their weights: the first and the last, and depthwise ones.
    spec
        Slots and the cycles of a drain.
    density
        Share of the weights of all pruned layers to keep; balancing them keeps some more.

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
    masks = balance_slots(drawn, prune(drawn, density), Balance(spec.slots, spec.drain_cycles))
    nodes = []
    for node in network.nodes:
        if isinstance(node, Conv):
            if node.name in drawn:
                node = replace(node, weights=_coded(drawn[node.name], masks[node.name], spec))
            elif network.slots != spec.slots:
                weights = code_weights(node.weights.integers, node.weights.scheme, spec)
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


def _coded(weight: Tensor, mask: Tensor, spec: Spec) -> Weights:
    """Shift weights in the slots that `balance_slots` balances, channel c in slot c mod W."""
    layer = Shift(BITS).fit(weight, mask, torch.Generator().manual_seed(0)).layer(weight)
    weights = Weights(layer.integers, layer.codebook, layer.scheme, gapless=False)
    return streams.choose_gapless(weights, spec.slots, spec)
