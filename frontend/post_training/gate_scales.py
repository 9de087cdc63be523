"""Scales around gates: a gate's integer is the whole factor, so the rest must be a power of two.

The output's step over the source's step and the gate's is made one by a coarser step of the gate or of the
output, whichever has less to give: at most a factor of the square root of two where both are free.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from shiftbook.frontend.fusing.gate_layer import GateLayer
from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.post_training.shared_scales import SharedScale
from shiftbook.frontend.quantization.affine import Affine
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import LEAST_SHIFT


def fit_gates(graph: LayerGraph, chosen: dict[str, Affine], shared: Sequence[SharedScale]) -> None:
    """Change scales in place; those that several tensors share stay.

    Raises
    ------
    ShiftbookError
        Neither the gate nor the output of a layer has a scale of its own.
    """
    free = {scale.tensors[0] for scale in shared if len(scale.tensors) == 1}
    for layer in graph.layers:
        if isinstance(layer, GateLayer):
            _fit(layer, chosen, free)
            free -= {layer.source, layer.gate, layer.target}  # what fits must stay


def _fit(layer: GateLayer, chosen: dict[str, Affine], free: set[str]) -> None:
    wanted = layer.exponent(chosen)
    down, up = math.floor(wanted + 1e-9), max(LEAST_SHIFT, math.ceil(wanted - 1e-9))
    # A gate of coarser steps needs a smaller shift, an output of coarser steps a larger one.
    # The gate of a square is its source too, whose steps would grow with it.
    widens_gate = layer.gate in free and layer.gate != layer.source and down >= LEAST_SHIFT
    if layer.target in free and not (widens_gate and wanted - down < up - wanted):
        old = chosen[layer.target]
        chosen[layer.target] = Affine(old.scale * 2 ** (up - wanted), old.zero_point)
    elif widens_gate:
        old = chosen[layer.gate]
        chosen[layer.gate] = Affine(old.scale * 2 ** (wanted - down), old.zero_point)
    else:
        raise ShiftbookError(
            f"layer {layer.name}: its output and its gate {layer.gate} share their scales with other tensors"
        )
