"""Convolution: what the engine is made for."""

from __future__ import annotations

from shiftbook.golden.mapping.conv_passes import engine_passes
from shiftbook.golden.mapping.job import Memory, Pass
from shiftbook.golden.mapping.nodes.base import Planner
from shiftbook.golden.model.nodes import Conv


class ConvPlanner(Planner[Conv]):
    """Parts of the layer that the activation banks hold."""

    node = Conv

    def passes(self, node: Conv, memory: Memory) -> list[Pass]:
        residual = 0 if node.residual is None else memory.zero_points[node.residual]
        pad = memory.zero_points[node.source]
        return engine_passes(node, memory.shapes[node.source], memory.views, pad, residual, memory.spec)
