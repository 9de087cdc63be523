"""Subsampling: a 1 x 1 layer with a stride."""

from __future__ import annotations

from shiftbook.golden.mapping.conv_passes import engine_passes
from shiftbook.golden.mapping.identity import identity, same_values
from shiftbook.golden.mapping.job import Memory, Pass
from shiftbook.golden.mapping.nodes.base import Planner
from shiftbook.golden.model.nodes import Subsample


class SubsamplePlanner(Planner[Subsample]):
    """One weight for each channel that is kept."""

    node = Subsample

    def passes(self, node: Subsample, memory: Memory) -> list[Pass]:
        shape, zero_point = memory.shapes[node.source], memory.zero_points[node.source]
        same = same_values(node.before + shape[2] + node.after, zero_point)
        conv = identity(
            node.name, node.source, shape[2], node.before, node.after, node.stride, same, memory.spec
        )
        return engine_passes(conv, shape, memory.views, zero_point, 0, memory.spec)
