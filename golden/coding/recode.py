"""A network for engines of other weight slots: the same integers, dealt anew."""

from __future__ import annotations

from dataclasses import replace

from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.spec import Spec


def for_slots(network: Network, spec: Spec) -> Network:
    """The network with its streams coded for the slots of a spec.

    It is what compressing for that spec gives. A network that is coded for them already stays as it is.

    Raises
    ------
    ShiftbookError
        A layer's weights are vectors, which are cut for the slots that they were compressed for.
    """
    if network.slots == spec.slots:
        return network
    seed = network.facts.get("seed")
    nodes = [
        _recoded(node, spec, seed if isinstance(seed, int) else 0) if isinstance(node, Conv) else node
        for node in network.nodes
    ]
    return replace(network, nodes=tuple(nodes), slots=spec.slots)


def _recoded(conv: Conv, spec: Spec, seed: int) -> Conv:
    if conv.weights.vectors is not None:
        raise ShiftbookError(
            f"layer {conv.name}: its vectors were cut for other slots; compress with slots {spec.slots}"
        )
    return replace(conv, weights=code_weights(conv.weights.integers, conv.weights.scheme, spec, seed))
