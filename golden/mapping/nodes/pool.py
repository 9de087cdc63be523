"""Pooling: a depthwise layer whose weights are 1, and a maximum one whose lanes keep the larger pixel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.conv_passes import engine_passes
from shiftbook.golden.mapping.identity import of_units, same_values, unit
from shiftbook.golden.mapping.job import Memory, Pass
from shiftbook.golden.mapping.nodes.base import Planner
from shiftbook.golden.model.nodes import Conv, Pool
from shiftbook.golden.model.weights import Requantize
from shiftbook.golden.spec import Spec


class PoolPlanner(Planner[Pool]):
    """A group for each channel."""

    node = Pool

    def passes(self, node: Pool, memory: Memory) -> list[Pass]:
        spec, shape = memory.spec, memory.shapes[node.source]
        channels = shape[2]
        ones = np.full((channels, *node.kernel, 1), unit(spec), np.int16)
        conv = Conv(
            name=node.name,
            source=node.source,
            weights=code_weights(ones, "ones", spec),
            requantize=_by_channel(node.requantize, channels, spec),
            stride=node.stride,
            padding=node.padding,
            groups=channels,
        )
        if node.kind == "average":
            return engine_passes(conv, shape, memory.views, memory.zero_points[node.source], 0, spec)
        if spec.lane == "shift" and unit(spec) > 1:
            raise ShiftbookError(
                f"layer {node.name}: a maximum needs a term of exponent 0, and the spec's terms are "
                f"{spec.terms}"
            )
        return engine_passes(conv, shape, memory.views, 0, 0, spec, maximum=True)


def _by_channel(shared: Requantize | None, channels: int, spec: Spec) -> Requantize:
    """The average's requantizer, repeated; for a maximum one that changes nothing."""
    if shared is None:
        return same_values(channels, 0)
    bias, multiplier, shift = (
        np.repeat(values, channels) for values in (shared.bias, shared.multiplier, shared.shift)
    )
    return of_units(replace(shared, bias=bias, multiplier=multiplier, shift=shift), spec)
