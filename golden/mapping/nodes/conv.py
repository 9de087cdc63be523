"""Convolution: what the engine is made for."""

from __future__ import annotations

from shiftbook.golden.mapping.conv_passes import engine_passes
from shiftbook.golden.mapping.job import Memory, Pass, View
from shiftbook.golden.mapping.nodes.base import Planner
from shiftbook.golden.mapping.padded import copy_passes, on_a_copy
from shiftbook.golden.mapping.windows import in_reach
from shiftbook.golden.model.nodes import Conv


class ConvPlanner(Planner[Conv]):
    """Parts of the layer that the activation banks hold, on a padded copy of the input if taps look far."""

    node = Conv

    def passes(self, node: Conv, memory: Memory) -> list[Pass]:
        residual = 0 if node.residual is None else memory.zero_points[node.residual]
        source, pad, spec = memory.shapes[node.source], memory.zero_points[node.source], memory.spec
        if not in_reach(node, source[:2], spec):
            inner, copy = on_a_copy(node, source, spec)
            if in_reach(inner, copy[:2], spec):
                views = {**memory.views, inner.source: View(inner.source, 0, copy[2], copy[2])}
                return [
                    *copy_passes(node, inner, copy, memory),
                    *engine_passes(inner, copy, views, pad, residual, spec),
                ]
        return engine_passes(node, source, memory.views, pad, residual, spec)
