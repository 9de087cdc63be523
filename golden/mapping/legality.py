"""What the accelerator can run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shiftbook.golden.coding.layer_coding import LayerCoding
from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.mapping.passes import Plan, plan
from shiftbook.golden.model.accumulator import prove_accumulator
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.model.validate import validate
from shiftbook.golden.spec import LEAST_SHIFT, Spec

MAX_CODE_ROWS = 32
"""Rows of one code: its number of rows, less one, is a field of five bits."""


def check_runnable(network: Network, spec: Spec, batch: int = 1) -> Plan:
    """Check that the accelerator can run every layer, of so many images at once.

    Returns
    -------
    plan
        What it runs.

    Raises
    ------
    ShiftbookError
        Names the first layer that it cannot run, and why.
    """
    validate(network)
    if network.slots != spec.slots:
        raise ShiftbookError(
            f"the network is coded for {network.slots} slots and the spec has {spec.slots}: "
            "compress it for these, or pass it through golden.mapping.legality.recode"
        )
    steps = plan(network, spec, batch)
    for step in steps.passes:
        check_pass(step, spec)
    return steps


def check_pass(step: Pass, spec: Spec) -> None:
    """Raise a ShiftbookError unless the accelerator can run this pass."""
    try:
        if spec.feed == "coded":
            _check_codebook(step.coding, spec)
        elif step.weights.vectors is not None:
            raise ShiftbookError("it has vectors, which a dense feed cannot read: take a coded preset")
    except ShiftbookError as error:
        raise ShiftbookError(f"layer {step.node}: {error}") from None
    _check_widths(step.conv, spec)
    if step.conv.requantize.function is not None and not spec.function_tables:
        raise ShiftbookError(
            f"layer {step.node}: its activation is looked up in a table and the spec has none: "
            "set function_tables"
        )
    if not step.maximum:
        prove_accumulator(step.whole, spec)


def _check_codebook(coding: LayerCoding, spec: Spec) -> None:
    weights = coding.weights
    books, entries, dim = weights.codewords.shape
    if entries > spec.code_symbols:
        raise ShiftbookError(
            f"its codebook has {entries} entries and the spec has room for {spec.code_symbols}"
        )
    if books > spec.codebooks or dim > spec.vector_size:
        raise ShiftbookError(
            f"it has {books} codebooks for vectors of {dim} weights and the spec has room for "
            f"{spec.codebooks} and {spec.vector_size}"
        )
    rows = coding.code_rows
    if rows.max() > MAX_CODE_ROWS:
        raise ShiftbookError(
            f"a codeword takes {rows.max()} rows, more than {MAX_CODE_ROWS}: take codewords of fewer weights "
            "or terms"
        )
    if rows.sum() > spec.codebook_rows:
        raise ShiftbookError(
            f"its codebook takes {rows.sum()} rows and the spec has {spec.codebook_rows}: raise codebook_rows"
        )
    _check_walk(coding, spec)
    needs_zero = weights.vectors is None and weights.gapless and bool((coding.placement.source < 0).any())
    if needs_zero and 0 not in weights.codebook:
        raise ShiftbookError("a layer without gaps needs 0 in its codebook for positions that do not exist")


def _check_walk(coding: LayerCoding, spec: Spec) -> None:
    """Positions, and tap table entries for those beyond the last weight."""
    way = coding.way
    beyond = way.span + spec.gap_symbols + int(way.positions.max())
    if beyond > 1 << spec.position_width:
        raise ShiftbookError(
            f"positions up to {beyond} do not fit the spec's position_width of {spec.position_width} bits"
        )
    kernel = coding.weights.integers.shape[1:3]
    if coding.placement.entries > spec.table_entries:
        raise ShiftbookError(
            f"a {kernel[0]}x{kernel[1]} kernel needs {coding.placement.entries} tap table entries: "
            f"the spec has {spec.table_entries}"
        )
    if coding.table_entries > spec.table_entries:
        raise ShiftbookError(
            f"its vectors reach {coding.table_entries} tap table entries and the spec has "
            f"{spec.table_entries}: raise table_entries"
        )


def _check_widths(conv: Conv, spec: Spec) -> None:
    parameters = conv.requantize
    missing = np.maximum(
        LEAST_SHIFT - np.asarray(parameters.shift), 0
    )  # a smaller shift needs a larger multiplier
    half = 1 << spec.accumulator_width - 1
    channels = 1 << spec.channel_counter_width
    for what, values, low, high, width in (
        ("output channels", len(conv.weights.integers), 1, channels - 1, "channel_counter_width"),
        ("bias", parameters.bias, -half, half - 1, "accumulator_width"),
        (
            "multiplier",
            parameters.multiplier << missing,
            0,
            (1 << spec.multiplier_width) - 1,
            "multiplier_width",
        ),
        ("shift", parameters.shift, 0, spec.largest_shift, "shift_width"),
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
    if conv.weights.vectors is not None:
        slots = conv.weights.vectors.codes.shape[1]
        if slots != spec.slots:
            raise ShiftbookError(
                f"layer {conv.name}: its vectors are cut for {slots} slots and cannot be coded for "
                f"{spec.slots}: compress the network for these"
            )
        return conv
    try:
        return replace(conv, weights=code_weights(conv.weights.integers, conv.weights.scheme, spec, seed))
    except ShiftbookError as error:
        raise ShiftbookError(f"layer {conv.name}: {error}") from None
