"""Where tensors lie: channels are concatenated by writing them next to each other."""

from __future__ import annotations

from collections.abc import Mapping

from shiftbook.golden.mapping.job import View
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Concat, Node, Shape


def place(network: Network, shapes: Mapping[str, Shape]) -> dict[str, View]:
    """Where the tensor of every node lies, by name."""
    parents = _parents(network.nodes, shapes)
    views: dict[str, View] = {}
    for name in reversed([network.input.name, *(node.name for node in network.nodes)]):
        whole, first = parents.get(name, (name, 0))
        channels = shapes[name][2]
        views[name] = (
            View(name, 0, channels, channels) if whole == name else views[whole].part(first, channels)
        )
    return views


def _parents(nodes: tuple[Node, ...], shapes: Mapping[str, Shape]) -> dict[str, tuple[str, int]]:
    """Of each tensor that lies within a concatenation: the last one's name, and the first channel there."""
    parents: dict[str, tuple[str, int]] = {}
    for node in reversed(nodes):
        if isinstance(node, Concat):
            first = 0
            for source in node.sources:
                parents.setdefault(source, (node.name, first))
                first += shapes[source][2]
    return parents
