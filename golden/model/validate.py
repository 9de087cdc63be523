"""Structural checks of a network: what must hold before anything runs it."""

from __future__ import annotations

from math import isfinite, prod

from shiftbook.golden.errors import ShiftbookError, is_plain
from shiftbook.golden.limits import Budget, limits
from shiftbook.golden.model.checks import check_requantize
from shiftbook.golden.model.network import Network, zero_points
from shiftbook.golden.model.nodes.base import Shape

MAX_NAME = 256
"""Characters of a name."""


def validate(network: Network) -> None:
    """Raise a ShiftbookError, naming the layer, unless every backend can rely on the network."""
    shapes(network)
    _check_texts(network)
    for name, scale in network.scales.items():
        if not isfinite(scale):
            raise ShiftbookError(f"the scale of {name} must be finite, not {scale}")
    check_requantize(network.input.name, network.input.requantize, network.input.shape[2], residual=False)
    if not 1 <= network.slots <= 16:
        raise ShiftbookError(f"slots must be in 1..16, not {network.slots}")
    _check_outputs(network)
    zero = zero_points(network)
    for node in network.nodes:
        node.check(network.slots, [zero[name] for name in node.inputs])


def class_count(network: Network) -> int | None:
    """Number of classes; None where the network has maps or several results instead of class scores."""
    height, width, channels = shapes(network)[network.results[0]]
    return channels if len(network.results) == 1 and (height, width) == (1, 1) else None


def _check_outputs(network: Network) -> None:
    """Every output is a node, and named once."""
    names = {node.name for node in network.nodes}
    for number, name in enumerate(network.outputs):
        if name not in names:
            raise ShiftbookError(f"output {name!r} is no layer")
        if name in network.outputs[:number]:
            raise ShiftbookError(f"output {name} is named twice")


def _check_texts(network: Network) -> None:
    """Names reach terminals, tables and files: none may break a line or hold a terminal escape."""
    texts = [("the name of the input", network.input.name)]
    texts += [text for node in network.nodes for text in node.texts()]
    texts += [("the name of a class", name) for name in network.classes]
    texts += [("the name of a scale", name) for name in network.scales]
    for what, text in texts:
        if not is_plain(text) or len(text) > MAX_NAME:
            raise ShiftbookError(
                f"{what} must be at most {MAX_NAME} visible characters and blanks, not {text!r:.80}"
            )


def shapes(network: Network) -> dict[str, Shape]:
    """Height, width and channels of every tensor, by name of the node that makes it.

    Nothing is allocated for the network before what it asks for is known to be within `golden.limits`.

    Raises
    ------
    ShiftbookError
        A name is used twice, an input is unknown or comes later, shapes do not fit together, or they are
        larger than the limits allow.
    """
    found: dict[str, Shape] = {}
    bounds = limits()
    bounds.check("the network has too many nodes", "nodes", len(network.nodes))
    budget = Budget(bounds)
    if len(network.input.shape) != 3 or min(network.input.shape) < 1:
        raise ShiftbookError(f"input shape must be (height, width, channels), not {network.input.shape}")
    found[network.input.name] = network.input.shape
    budget.tensor(network.input.name, prod(network.input.shape))
    if not network.nodes:
        raise ShiftbookError("the network has no layer")
    for node in network.nodes:
        if node.name in found:
            raise ShiftbookError(f"layer name {node.name} is used twice")
        node.check_inputs(found)
        inputs = [found[name] for name in node.inputs]
        found[node.name] = node.shape(inputs)
        node.spend(budget, inputs, found[node.name])
    return found
