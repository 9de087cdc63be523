"""Products: a depthwise 1 x 1 layer whose multipliers are fetched as residuals are."""

from __future__ import annotations

import numpy as np

from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.conv_passes import engine_passes
from shiftbook.golden.mapping.identity import check_channels, of_units, unit
from shiftbook.golden.mapping.job import Gating, Memory, Pass
from shiftbook.golden.mapping.nodes.base import Planner
from shiftbook.golden.model.nodes import Conv, Gate
from shiftbook.golden.model.nodes.gate import gated
from shiftbook.golden.spec import LEAST_SHIFT


class GatePlanner(Planner[Gate]):
    """One weight for each channel."""

    node = Gate

    def check(self, node: Gate, memory: Memory) -> None:
        check_channels(node.name, memory.shapes[node.source][2], memory.spec)
        shift = int(node.requantize.shift[0])
        if shift < LEAST_SHIFT:
            raise ShiftbookError(
                f"layer {node.name}: the shift behind a gate must be at least {LEAST_SHIFT}, not {shift}"
            )

    def passes(self, node: Gate, memory: Memory) -> list[Pass]:
        spec, shape = memory.spec, memory.shapes[node.source]
        channels = shape[2]
        units = np.full((channels, 1, 1, 1), unit(spec), np.int16)
        requantize = of_units(gated(node.requantize, np.ones(channels, np.uint8)), spec)
        conv = Conv(
            name=node.name,
            source=node.source,
            weights=code_weights(units, "ones", spec),
            requantize=requantize,
            groups=channels,
            residual=node.gate,
        )
        # Of a single pixel the two are the same.
        gating: Gating = "channel" if memory.shapes[node.gate][:2] == (1, 1) else "pixel"
        return engine_passes(conv, shape, memory.views, 0, 0, spec, gating=gating)
