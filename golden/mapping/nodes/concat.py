"""Concatenation: tensors lie next to each other already, unless another concatenation has them too."""

from __future__ import annotations

from collections.abc import Iterator

from shiftbook.golden.mapping.conv_passes import engine_passes
from shiftbook.golden.mapping.identity import check_channels, identity, same_values
from shiftbook.golden.mapping.job import Memory, Pass
from shiftbook.golden.mapping.nodes.base import Planner
from shiftbook.golden.model.nodes import Concat


class ConcatPlanner(Planner[Concat]):
    """A copy of each source that lies elsewhere."""

    node = Concat

    def check(self, node: Concat, memory: Memory) -> None:
        for source, _ in _elsewhere(node, memory):
            check_channels(node.name, memory.shapes[source][2], memory.spec)

    def passes(self, node: Concat, memory: Memory) -> list[Pass]:
        result = []
        for source, first in _elsewhere(node, memory):
            shape, zero_point = memory.shapes[source], memory.zero_points[source]
            channels = shape[2]
            same = same_values(channels, zero_point)
            conv = identity(node.name, source, channels, 0, 0, 1, same, memory.spec)
            views = {**memory.views, node.name: memory.views[node.name].part(first, channels)}
            result += engine_passes(conv, shape, views, zero_point, 0, memory.spec)
        return result


def _elsewhere(node: Concat, memory: Memory) -> Iterator[tuple[str, int]]:
    """Sources that do not lie in their place, and the first channel of that place."""
    first = 0
    for source in node.sources:
        channels = memory.shapes[source][2]
        if memory.views[source] != memory.views[node.name].part(first, channels):
            yield source, first
        first += channels
