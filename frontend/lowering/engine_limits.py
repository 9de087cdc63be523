"""What stands in the way of a network on the accelerator, known from shapes alone: before any training."""

from __future__ import annotations

import numpy as np

from shiftbook.frontend.fusing.gate_layer import GateLayer
from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.graph.model import INPUT
from shiftbook.frontend.importing.normalization import Normalization
from shiftbook.frontend.lowering.lower import lower
from shiftbook.frontend.quantization.affine import Affine
from shiftbook.frontend.schemes.base import QuantizedLayer
from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.golden.mapping.legality import check_runnable
from shiftbook.golden.model.network import Network
from shiftbook.golden.spec import ACTIVATION_WIDTH, Spec


def engine_limit(layers: LayerGraph, spec: Spec) -> str:
    """The first layer that an engine cannot run whatever its weights are, and why; "" where there is none.

    The same network is planned with weights of zero.
    """
    try:
        network = _empty(layers, spec)
    except ShiftbookError:  # about numbers, which are not those of the network
        return ""
    try:
        check_runnable(network, spec)
    except ShiftbookError as error:
        return first_line(error)
    return ""


def _empty(layers: LayerGraph, spec: Spec) -> Network:
    """The integer network, without weights."""
    zeros = {
        layer.path: QuantizedLayer(
            np.zeros(tuple(layer.module.weight.detach().reshape(shape).permute(0, 2, 3, 1).shape), np.int16),
            1.0,
            np.zeros(1, np.int16),
            "int8",
        )
        for layer in layers.convs()
        for shape in [(len(layer.module.weight), -1, *layer.kernel)]
    }
    names = [INPUT, *(layer.name for layer in layers.layers), *layers.with_functions()]
    unit = dict.fromkeys(names, Affine(1.0, 0))
    gates = [layer.gate for layer in layers.layers if isinstance(layer, GateLayer)]
    unit |= dict.fromkeys(gates, Affine(1 / (1 << ACTIVATION_WIDTH), 0))
    channels = layers.input_shape[0]
    return lower(layers, zeros, unit, Normalization((0.0,) * channels, (1.0,) * channels), spec=spec)
