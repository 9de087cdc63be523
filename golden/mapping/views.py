"""Where tensors lie: channels are concatenated by writing them next to each other, pixels interleaved so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from shiftbook.golden.mapping.job import View
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Concat, Conv, Interleave, Node, Pool, Shape, Subsample

STORED = (Conv, Pool, Subsample)
"""Nodes whose passes can store their tensor as some of the pixels of another."""


def place(network: Network, shapes: Mapping[str, Shape]) -> dict[str, View]:
    """Where the tensor of every node lies, by name."""
    parents = _parents(network.nodes, shapes)
    parents.update(_interleaved(network, parents))
    views: dict[str, View] = {}
    for name in reversed([network.input.name, *(node.name for node in network.nodes)]):
        channels = shapes[name][2]
        if name not in parents:
            views[name] = View(name, 0, channels, channels)
            continue
        whole, first, phases = parents[name]
        part = views[whole].part(first, channels)
        views[name] = part.interleaved(phases) if phases else part
    return views


Parents = dict[str, tuple[str, int, int]]
"""Of a tensor that is a part of another: the other's name, the first channel and the phases there."""


def _parents(nodes: tuple[Node, ...], shapes: Mapping[str, Shape]) -> Parents:
    """Of each tensor that lies within a concatenation: the last one's name, and the first channel there."""
    parents: Parents = {}
    for node in reversed(nodes):
        if isinstance(node, Concat):
            first = 0
            for source in node.sources:
                parents.setdefault(source, (node.name, first, 0))
                first += shapes[source][2]
    return parents


def _interleaved(network: Network, parents: Parents) -> Parents:
    """Of each tensor that nothing else reads and that is interleaved once: with what, and its phase."""
    reads = Counter(name for node in network.nodes for name in node.inputs) + Counter(network.results)
    able = {node.name for node in network.nodes if isinstance(node, STORED)} - set(parents)
    return {
        source: (node.name, 0, 1 << number)
        for node in network.nodes
        if isinstance(node, Interleave)
        for number, source in enumerate(node.sources)
        if source in able and reads[source] == 1
    }
