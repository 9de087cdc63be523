"""What the engine can run in this version, and what the host runs for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from golden import streams
from golden.coding import code_weights
from golden.errors import ShiftbookError
from golden.integer import prove_accumulator
from golden.network import Conv, Network, Weights
from golden.placement import Placement
from golden.spec import Spec
from golden.terms import work
from golden.tiles import geometry
from golden.validate import Shape, shapes, validate


def check_runnable(network: Network, spec: Spec) -> list[str]:
    """Names of the nodes that the host runs (pools, subsampling); the engine can run all others.

    Raises
    ------
    ShiftbookError
        Names the first layer that the engine cannot run, and why.
    """
    validate(network)
    if network.slots != spec.slots:
        raise ShiftbookError(
            f"the network is coded for {network.slots} slots and the spec has {spec.slots}: "
            "compress it for these, or pass it through golden.support.recode"
        )
    tensors = shapes(network)
    for node in network.nodes:
        if isinstance(node, Conv):
            check_conv(node, tensors[node.source], spec)
    return [node.name for node in network.nodes if not isinstance(node, Conv)]


def check_conv(conv: Conv, source: Shape, spec: Spec) -> None:
    """Raise a ShiftbookError unless the engine can run this layer on an input of shape ``source``."""
    if conv.residual is not None:
        raise ShiftbookError(
            f"layer {conv.name} adds a residual, which the RTL does not run yet: use the golden backend"
        )
    if conv.groups > 1:
        raise ShiftbookError(
            f"layer {conv.name} has {conv.groups} groups, which the RTL does not run yet: "
            "use the golden backend"
        )
    try:
        placement = streams.placement_of(conv.weights, spec.slots, spec)
        if spec.feed == "coded":
            _check_codebook(conv.weights, placement, spec)
    except ShiftbookError as error:
        raise ShiftbookError(f"layer {conv.name}: {error}") from None
    geometry(conv, source, placement, spec)
    _check_widths(conv, spec)
    prove_accumulator(conv, spec)


def _check_codebook(weights: Weights, placement: Placement, spec: Spec) -> None:
    if len(weights.codebook) > spec.code_symbols:
        raise ShiftbookError(
            f"its codebook has {len(weights.codebook)} entries and the spec has room for {spec.code_symbols}"
        )
    rows = int(work(weights.codebook, spec).sum())
    if rows > spec.codebook_rows:
        raise ShiftbookError(
            f"its codebook takes {rows} rows and the spec has {spec.codebook_rows}: raise codebook_rows"
        )
    if weights.gapless and 0 not in weights.codebook and (placement.source < 0).any():
        raise ShiftbookError("a layer without gaps needs 0 in its codebook for positions that do not exist")


def _check_widths(conv: Conv, spec: Spec) -> None:
    parameters = conv.requantize
    half = 1 << spec.accumulator_width - 1
    channels = 1 << spec.channel_counter_width
    for what, values, low, high, width in (
        ("output channels", len(conv.weights.integers), 1, channels - 1, "channel_counter_width"),
        ("bias", parameters.bias, -half, half - 1, "accumulator_width"),
        ("multiplier", parameters.multiplier, 0, (1 << spec.multiplier_width) - 1, "multiplier_width"),
        ("shift", parameters.shift, 0, (1 << spec.shift_width) - 1, "shift_width"),
    ):
        array = np.asarray(values)
        if array.min() < low or array.max() > high:
            bad = int(array.min() if array.min() < low else array.max())
            raise ShiftbookError(
                f"layer {conv.name}: {what} must be in {low}..{high}, not {bad}, with the spec's {width}"
            )


def recode(network: Network, spec: Spec, seed: int = 0) -> Network:
    """The same integers coded for the slots of another spec, as if they had been compressed for it.

    Raises
    ------
    ShiftbookError
        Names the first layer that cannot be coded for this spec.
    """
    nodes = [_recode(node, spec, seed) if isinstance(node, Conv) else node for node in network.nodes]
    return replace(network, nodes=tuple(nodes), slots=spec.slots)


def _recode(conv: Conv, spec: Spec, seed: int) -> Conv:
    try:
        return replace(conv, weights=code_weights(conv.weights.integers, conv.weights.scheme, spec, seed))
    except ShiftbookError as error:
        raise ShiftbookError(f"layer {conv.name}: {error}") from None
