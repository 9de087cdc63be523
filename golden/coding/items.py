"""What the decoder of a slot yields: weights or vectors at positions, and escapes between them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.coding.placement import Placement, place
from shiftbook.golden.coding.vectors import Walk, walk
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.weights import Vectors, Weights
from shiftbook.golden.spec import Spec

Ints = NDArray[np.int64]


class Items(NamedTuple):
    """What one slot's decoder yields for a layer, in order. An item is an escape, or a weight or vector.

    Attributes
    ----------
    target
        [n] absolute position after the item's skip: ``output channel * span + local position``. The targets
        of escapes may lie at or beyond ``O * span``.
    is_escape
        [n] whether the item only skips.
    code
        [n, M] index into each codebook; 0 for escapes.
    step
        Positions that an item with codes takes up.
    """

    target: Ints
    is_escape: NDArray[np.bool_]
    code: Ints
    step: int


def placement_of(weights: Weights, slots: int, spec: Spec) -> Placement:
    """Where the positions of a layer live."""
    _, kh, kw, channels = weights.integers.shape
    return place((kh, kw), channels, slots, spec, weights.slot_of_channel)


def walk_of(weights: Weights, placement: Placement) -> Walk:
    """How a layer's items step through its positions; plain weights are vectors of one."""
    if weights.vectors is None:
        return Walk(placement.positions, 1, 1, 0)
    return walk(placement, weights.codewords.shape[2], weights.vectors.along)


def table_entries(way: Walk, placement: Placement) -> int:
    """Tap table entries that the rows of a layer name, those of positions without a weight included."""
    return max(placement.entries, (int(way.positions.max()) >> placement.channel_bits) + 1)


def items_of(weights: Weights, placement: Placement, spec: Spec) -> tuple[Items, ...]:
    """What each slot decodes: the symbols of its streams, with their positions.

    Parameters
    ----------
    placement
        See :func:`placement_of`.

    Raises
    ------
    ShiftbookError
        A weight (or, in a gapless layer, the 0 of padding positions) is not in the codebook; the codebook
        is too large or not ascending; the layer has codes for other slots.
    """
    slots = placement.slots
    if weights.vectors is not None:
        return _vector_items(weights.vectors, weights.gapless, walk_of(weights, placement), slots, spec)
    _check_codebook(weights.codebook, spec)
    outputs = len(weights.integers)
    flat = weights.integers.reshape(outputs, -1)
    with_zero = np.concatenate([flat, np.zeros((outputs, 1), dtype=flat.dtype)], axis=1)
    result = []
    for w in range(slots):
        values = with_zero[:, placement.source[w]].ravel()  # source -1 picks the zero at the end
        if weights.gapless:
            target = np.arange(len(values))
            codes = _indices(values, weights.codebook)[:, None]
            result.append(Items(target, np.zeros(len(values), bool), codes, 1))
        else:
            target = np.flatnonzero(values)
            codes = _indices(values[target], weights.codebook)[:, None]
            result.append(_with_escapes(target, codes, len(values), spec.escape_gap, 1))
    return tuple(result)


def _vector_items(vectors: Vectors, gapless: bool, way: Walk, slots: int, spec: Spec) -> tuple[Items, ...]:
    """One item for each vector that is present."""
    outputs = len(vectors.codes)
    if vectors.present.shape != (outputs, slots, way.vectors):
        raise ShiftbookError(
            f"the codes of vectors have shape {vectors.present.shape} and not "
            f"{(outputs, slots, way.vectors)}: compress the network for these slots"
        )
    first = np.arange(outputs)[:, None] * way.span + np.arange(way.vectors) * way.step
    result = []
    for w in range(slots):
        present = vectors.present[:, w]
        target, codes = first[present], vectors.codes[:, w][present].astype(np.int64)
        if gapless:
            result.append(Items(target, np.zeros(len(target), bool), codes, way.step))
        else:
            total = outputs * way.span
            result.append(_with_escapes(target, codes, total, spec.escape_gap, way.step))
    return tuple(result)


def gap_symbols_of(slot_items: Items, spec: Spec) -> Ints:
    """[n] the gap symbols that lead to these items."""
    before = np.zeros(len(slot_items.target), dtype=np.int64)
    before[1:] = slot_items.target[:-1] + np.where(slot_items.is_escape[:-1], 0, slot_items.step)
    return np.where(slot_items.is_escape, spec.escape_gap, slot_items.target - before)


def code_symbols_of(slot_items: Items) -> Ints:
    """[n M] the code symbols of these items, those of one item together."""
    return slot_items.code[~slot_items.is_escape].ravel()


def _with_escapes(target: Ints, code: Ints, total: int, escape: int, step: int) -> Items:
    """Put the escapes between weights at ``target`` and after the last one, up to ``total``."""
    start = np.concatenate([[0], target + step])  # the position at which each item's gap begins
    gap = np.concatenate([target, [total]]) - start
    escapes = gap // escape
    escapes[-1] = -(-gap[-1] // escape)  # the tail is all escapes, until total is reached or passed
    group = escapes + 1  # every group is its escapes and its weight; the tail has a weight too many
    ends = np.cumsum(group)
    number = np.arange(1, ends[-1] + 1) - np.repeat(ends - group, group)
    is_escape = np.ones(ends[-1], dtype=bool)
    is_escape[ends - 1] = False
    position = np.repeat(start, group) + number * escape
    position[ends[:-1] - 1] = target
    index = np.zeros((ends[-1], code.shape[1]), dtype=np.int64)
    index[ends[:-1] - 1] = code
    return Items(position[:-1], is_escape[:-1], index[:-1], step)


def targets_of(gap_symbols: Ints, total: int, escape: int, step: int) -> Ints:
    """Absolute positions of the weights that gap symbols lead to."""
    is_weight = gap_symbols != escape
    after = np.cumsum(gap_symbols + is_weight * step)
    target: Ints = after[is_weight] - step
    end = int(after[-1]) if len(after) else 0
    last = int(after[-2]) if len(after) > 1 else 0
    if end < total or (last >= total) or (len(target) and target[-1] >= total):
        raise ShiftbookError(f"gaps lead to position {end}, but the layer has {total} positions in a slot")
    return target


def _check_codebook(codebook: NDArray[np.int16], spec: Spec) -> None:
    if not 0 < len(codebook) <= spec.code_symbols:
        raise ShiftbookError(f"a codebook must have 1 to {spec.code_symbols} entries, not {len(codebook)}")
    if (np.diff(codebook.astype(np.int64)) <= 0).any():
        raise ShiftbookError(f"a codebook must be ascending and distinct, not {codebook.tolist()}")


def _indices(values: NDArray[np.int16], codebook: NDArray[np.int16]) -> Ints:
    """Codebook index of each value."""
    index = np.minimum(np.searchsorted(codebook, values), len(codebook) - 1)
    wrong = codebook[index] != values
    if wrong.any():
        raise ShiftbookError(f"weight {values[wrong][0]} is not in the codebook {codebook.tolist()}")
    return index.astype(np.int64)
