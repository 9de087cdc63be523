"""Whether a compressed network can fit an engine: known from options and float weights, before any work."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import torch

from shiftbook.frontend.fusing.conv_layer import ConvLayer
from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.lowering.coarsen import ROOM
from shiftbook.frontend.lowering.engine_limits import engine_limit
from shiftbook.frontend.options.compression import CompressionOptions
from shiftbook.frontend.schemes.base import Scheme
from shiftbook.golden.coding.terms import sayable
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.legality import check_runnable, recode
from shiftbook.golden.model.integer import LARGEST_ACTIVATION
from shiftbook.golden.model.network import Network
from shiftbook.golden.spec import PRESETS, Spec

LEAST_LEVELS = 3
"""Of each sign, that a dense layer has at least: it is then as good as one of 3 bits."""


def check_weights(options: CompressionOptions) -> None:
    """Refuse a scheme, or bits of the end layers, whose weights the engine's lanes cannot represent.

    Raises
    ------
    ShiftbookError
        Names a weight that they cannot, and what would fit.
    """
    if options.engine is None:
        return
    engine, scheme = PRESETS[options.engine], options.make_scheme()
    _check_vectors(options.engine, engine, scheme)
    wrong = _unsayable(scheme.values(), engine)
    if wrong is not None:
        raise ShiftbookError(
            f"engine {options.engine!r} cannot represent the weight {wrong} of scheme {scheme.name!r} with "
            f"{scheme.bits} bits: {_advice(options, scheme, engine)}",
            arguments=["bits", "engine"],
        )
    most = replace(options, uniform_bits=None).bits_at_ends
    if options.bits_at_ends > most:
        raise ShiftbookError(
            f"engine {options.engine!r} cannot represent all weights of {options.bits_at_ends} bits in "
            f"the first and the last layer: take at most {most} bits there",
            arguments=["end_bits"],
        )


def _check_vectors(name: str, engine: Spec, scheme: Scheme) -> None:
    """Refuse vectors where the engine reads none."""
    if not scheme.incremental and (engine.feed == "dense" or engine.vector_size == 1):
        raise ShiftbookError(
            f"scheme {scheme.name!r} makes vectors, which engine {name!r} does not read: take another",
            arguments=["scheme", "engine"],
        )


def _unsayable(values: Collection[int], engine: Spec) -> int | None:
    """The smallest weight that the lanes cannot represent; None where there is none."""
    wrong = (
        value
        for value in sorted(values, key=lambda value: (abs(value), -value))
        if not sayable(value, engine)
    )
    return next(wrong, None)


def _advice(options: CompressionOptions, scheme: Scheme, engine: Spec) -> str:
    """The bits of the scheme that fit, and the engines that take it as it is."""
    engines = [name for name, spec in PRESETS.items() if _unsayable(scheme.values(), spec) is None]
    other = f"take engine {', '.join(engines)}" if engines else "take another scheme"
    for bits in range(scheme.bits - 1, scheme.lowest_bits - 1, -1):
        fewer = replace(options, options={**options.options, "bits": bits}).make_scheme()
        if _unsayable(fewer.values(), engine) is None:
            return f"take at most {bits} bits, or {other}"
    return other


def check_layers(graph: LayerGraph, dense: Collection[str], options: CompressionOptions) -> None:
    """Refuse a network whose shapes the engine cannot run, or whose dense layers its sums are too narrow for.

    Parameters
    ----------
    dense
        Paths of layers that are uniform and not pruned.

    Raises
    ------
    ShiftbookError
        Names the layer, and what would fit.
    """
    if options.engine is None:
        return
    engine = PRESETS[options.engine].given(slots=options.spec.slots)
    if limit := engine_limit(graph, engine):
        raise ShiftbookError(
            f"engine {options.engine!r} cannot run this network: {limit}", arguments=["engine"]
        )
    for layer in graph.convs():
        if layer.path in dense:
            _check_sums(layer, options.engine, engine.accumulator_width)


def _check_sums(layer: ConvLayer, name: str, width: int) -> None:
    """Refuse a layer whose weights, none of them pruned, are too many for the accumulator."""
    weight = layer.weight().detach().flatten(1)
    sums = torch.maximum(weight.clamp(min=0).sum(1), -weight.clamp(max=0).sum(1))
    # The largest sum in steps, if a channel's largest weight were one step.
    largest = float((sums / weight.abs().amax(1)).nan_to_num(0.0).max())
    steps = ROOM * (1 << width - 1) / LARGEST_ACTIVATION / max(largest, 1.0)
    if steps < LEAST_LEVELS:
        wider = [preset for preset, spec in PRESETS.items() if spec.accumulator_width > width]
        raise ShiftbookError(
            f"layer {layer.name}: it is dense, and the sums of its {weight.shape[1]:,} inputs leave "
            f"{steps:.1f} steps to its weights in the {width}-bit accumulators of engine {name!r}, less "
            f"than {LEAST_LEVELS}: take engine {', '.join(wider)}",
            arguments=["engine"],
        )


def check_runs(network: Network, options: CompressionOptions) -> None:
    """Refuse a network that does not run on the engine after all.

    Raises
    ------
    ShiftbookError
        Names the first layer that does not.
    """
    if options.engine is None:
        return
    engine = PRESETS[options.engine].given(slots=network.slots)
    try:
        check_runnable(recode(network, engine), engine)
    except ShiftbookError as error:
        raise ShiftbookError(f"engine {options.engine!r} cannot run what came out: {error}") from None
