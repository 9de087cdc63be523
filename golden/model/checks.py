"""Ranges of weights, codes and requantizers; every message names the layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.function_table import ENTRIES, FunctionTable
from shiftbook.golden.model.integer import (
    LARGEST_ACTIVATION,
    MAX_ACCUMULATOR_WIDTH,
    MAX_MULTIPLIER,
    MAX_RESIDUAL_MULTIPLIER,
    MAX_SHIFT,
)
from shiftbook.golden.model.weights import Requantize, Vectors, Weights

MAX_CODEWORDS = 256
"""Of one codebook."""


def check_range(name: str, what: str, values: NDArray[np.generic] | int, low: int, high: int) -> None:
    """Raise a ShiftbookError unless the values are integers in low..high."""
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise ShiftbookError(f"layer {name}: {what} must be integers, not {array.dtype}")
    if array.size and (array.min() < low or array.max() > high):
        bad = int(array.min() if array.min() < low else array.max())
        raise ShiftbookError(f"layer {name}: {what} must be in {low}..{high}, not {bad}")


def check_requantize(name: str, parameters: Requantize, channels: int, residual: bool) -> None:
    """Raise a ShiftbookError unless the hardware can apply this requantizer to so many channels."""
    if (parameters.residual_multiplier is not None) != residual:
        raise ShiftbookError(f"layer {name}: a residual and a residual multiplier need each other")
    if parameters.residual_multiplier is not None:
        multiplier = parameters.residual_multiplier
        check_range(name, "residual multiplier", multiplier, 0, MAX_RESIDUAL_MULTIPLIER)
    limit = 1 << MAX_ACCUMULATOR_WIDTH - 1
    for what, values, low, high in (
        ("bias", parameters.bias, -limit, limit - 1),
        ("multiplier", parameters.multiplier, 0, MAX_MULTIPLIER),
        ("shift", parameters.shift, 0, MAX_SHIFT),
    ):
        if np.shape(values) != (channels,):
            raise ShiftbookError(
                f"layer {name}: {what} must have shape {(channels,)}, not {np.shape(values)}"
            )
        check_range(name, what, values, low, high)
    check_range(name, "zero point", parameters.zero_point, 0, LARGEST_ACTIVATION)
    check_range(name, "low clamp", parameters.low, 0, LARGEST_ACTIVATION)
    check_range(name, "high clamp", parameters.high, parameters.low, LARGEST_ACTIVATION)
    if parameters.function is not None:
        _check_function(name, parameters.function)


def _check_function(name: str, table: FunctionTable) -> None:
    if not isinstance(table.values, bytes) or len(table.values) != ENTRIES:
        found = f"{len(table.values)} of {type(table.values).__name__}"
        raise ShiftbookError(f"layer {name}: a function table must hold {ENTRIES} bytes, not {found}")
    check_range(name, "zero point of the function table", table.zero_point, 0, LARGEST_ACTIVATION)


def check_weights(name: str, weights: Weights, slots: int) -> None:
    """Raise a ShiftbookError unless codes name all weights, and every accumulator has room for them."""
    if weights.vectors is None:
        _check_codebook(name, weights)
    else:
        _check_vectors(name, weights, weights.vectors)
    magnitude = np.abs(weights.integers).reshape(len(weights.integers), -1).sum(1, dtype=np.int64)
    if magnitude.max() * LARGEST_ACTIVATION >= 1 << MAX_ACCUMULATOR_WIDTH - 1:
        raise ShiftbookError(
            f"layer {name}: output channel {int(magnitude.argmax())} can exceed "
            f"{MAX_ACCUMULATOR_WIDTH} accumulator bits"
        )
    slot_of = weights.slot_of_channel
    if slot_of is not None:
        if slot_of.shape != weights.integers.shape[3:]:
            raise ShiftbookError(
                f"layer {name}: slot_of_channel must have shape {weights.integers.shape[3:]}, "
                f"not {slot_of.shape}"
            )
        check_range(name, "slot of channel", slot_of, 0, slots - 1)


def _check_codebook(name: str, weights: Weights) -> None:
    """Every weight is in the layer's codebook."""
    codebook = weights.codebook
    if codebook.ndim != 1 or not 1 <= codebook.size <= 256 or np.any(np.diff(codebook.astype(np.int64)) <= 0):
        raise ShiftbookError(f"layer {name}: the codebook must hold 1 to 256 distinct ascending integers")
    check_range(name, "codebook", codebook, -128, 127)
    check_range(name, "weights", weights.integers, -128, 127)
    if not weights.gapless and 0 in codebook:
        raise ShiftbookError(
            f"layer {name}: 0 in the codebook of a layer with gaps, where a zero has no code"
        )
    # A table of the 256 weights: searching the codebook for each weight is slow on large networks.
    known = np.zeros(256, bool)
    known[codebook.astype(np.int64) + 128] = True
    known[128] |= not weights.gapless
    for (
        channel
    ) in weights.integers:  # one at a time: indices of all weights would take eight times their memory
        unknown = ~known[channel.astype(np.int64) + 128]
        if unknown.any():
            raise ShiftbookError(f"layer {name}: weight {int(channel[unknown][0])} is not in its codebook")


def _check_vectors(name: str, weights: Weights, vectors: Vectors) -> None:
    """Every code names a codeword, and has a code word."""
    codewords, lengths = vectors.codebooks.codewords, vectors.codebooks.lengths
    if codewords.ndim != 3 or not 0 < codewords.shape[1] <= MAX_CODEWORDS or 0 in codewords.shape:
        raise ShiftbookError(
            f"layer {name}: codebooks must be [M, K, d] with K up to {MAX_CODEWORDS}, not {codewords.shape}"
        )
    check_range(name, "codewords", codewords, -128, 127)
    books, entries, _ = codewords.shape
    if lengths.shape != (entries,):
        raise ShiftbookError(
            f"layer {name}: {entries} codewords need as many code lengths, not {lengths.shape}"
        )
    codes, present = vectors.codes, vectors.present
    outputs = len(weights.integers)
    if codes.shape != (*present.shape, books) or present.ndim != 3 or len(present) != outputs:
        raise ShiftbookError(
            f"layer {name}: codes and presence must be [{outputs}, W, V, {books}] and [{outputs}, W, V], "
            f"not {codes.shape} and {present.shape}"
        )
    check_range(name, "codes", codes, 0, entries - 1)
    without = lengths[codes[present]] == 0
    if without.any():
        raise ShiftbookError(f"layer {name}: code {codes[present][without][0]} has no Huffman code word")
    if weights.gapless != bool(present.all()):
        raise ShiftbookError(f"layer {name}: gapless must tell whether all vectors are present")
    if weights.slot_of_channel is not None:
        raise ShiftbookError(f"layer {name}: vectors are cut where channels live in their default slots")
