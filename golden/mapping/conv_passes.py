"""A convolution as passes of the engine: its copies, its groups, its parts of input channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from shiftbook.golden.coding import items
from shiftbook.golden.coding.placement import Placement, TableEntry
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping import tiles
from shiftbook.golden.mapping.job import Pass, View
from shiftbook.golden.mapping.split import split_inputs
from shiftbook.golden.model.nodes import Conv, Shape
from shiftbook.golden.model.weights import Requantize, Weights
from shiftbook.golden.spec import PARTIAL_BYTES, Spec

SUMS = ".sums"
"""What the name of a layer's partial sums ends with."""


def conv_passes(
    conv: Conv, source: Shape, views: Mapping[str, View], pad: int, residual_zero_point: int, spec: Spec
) -> list[Pass]:
    """The layer's copies one after another; their streams are the same, and lie in memory once."""
    if conv.copies == 1:
        return engine_passes(conv, source, views, pad, residual_zero_point, spec)
    outputs, _, _, inputs = conv.weights.integers.shape
    result = []
    for number in range(conv.copies):
        own = {"source": views[conv.source].part(number * inputs, inputs)}
        own[conv.name] = views[conv.name].part(number * outputs, outputs)
        if conv.residual is not None:
            own["residual"] = views[conv.residual].part(number * outputs, outputs)
        one = replace(
            conv,
            source="source",
            residual="residual" if conv.residual is not None else None,
            copies=1,
            requantize=_requantize_part(conv.requantize, number * outputs, outputs),
        )
        result += engine_passes(one, source, own, pad, residual_zero_point, spec)
    return result


def engine_passes(
    conv: Conv,
    source: Shape,
    views: Mapping[str, View],
    pad: int,
    residual_zero_point: int,
    spec: Spec,
    maximum: bool = False,
) -> list[Pass]:
    """The layer, in as many parts of its groups as the activation banks need."""
    at_once = _groups_at_once(conv, source, spec)
    each = len(conv.weights.integers) // conv.groups
    inputs = conv.weights.integers.shape[3]
    result = []
    for first in range(0, conv.groups, at_once):
        count = min(at_once, conv.groups - first)
        part = conv if count == conv.groups else _part(conv, first * each, count * each, count)
        ends = _Ends(
            source=views[conv.source].part(first * inputs, count * inputs),
            target=views[conv.name].part(first * each, count * each),
            residual=views[conv.residual].part(first * each, count * each) if conv.residual else None,
            pad=pad,
            residual_zero_point=residual_zero_point,
        )
        if maximum:
            result.append(_pass(part, ends, source, spec, *_sequential(part, spec)))
            continue
        pieces = _pieces(part, source, spec) if count == 1 else [(0, part)]
        result += _part_passes(part, pieces, ends, source, spec)
    return result


class _Ends(NamedTuple):
    """What a layer reads and writes."""

    source: View
    target: View
    residual: View | None
    pad: int
    residual_zero_point: int


def _pass(conv: Conv, ends: _Ends, size: Shape, spec: Spec, weights: Weights, placement: Placement) -> Pass:
    """One pass for a layer; with weights that are not the layer's, a maximum."""
    local = conv.groups * max(len(held) for held in placement.channels)
    layout = tiles.geometry(conv, size[:2], local, spec)
    maximum = weights is not conv.weights
    return Pass(conv.name, conv, weights, placement, layout, *ends, maximum, conv, False, False)


def _part_passes(
    whole: Conv, pieces: list[tuple[int, Conv]], ends: _Ends, size: Shape, spec: Spec
) -> list[Pass]:
    """A pass for each piece of a layer's input channels; sums go from one to the next."""
    sums = View(whole.name + SUMS, 0, PARTIAL_BYTES * ends.target.channels)
    result = []
    for number, (first, piece) in enumerate(pieces):
        last = number == len(pieces) - 1
        own = ends._replace(
            source=ends.source.part(first, piece.groups * piece.weights.integers.shape[3]),
            target=ends.target if last else sums,
            residual=sums if number else ends.residual,
            residual_zero_point=ends.residual_zero_point if last else 0,
        )
        step = _pass(piece, own, size, spec, piece.weights, _placed(piece, spec))
        result.append(replace(step, whole=whole, partial_in=number > 0, partial_out=not last))
    return result


def _placed(conv: Conv, spec: Spec) -> Placement:
    try:
        return items.placement_of(conv.weights, spec.slots, spec)
    except ShiftbookError as error:
        raise ShiftbookError(f"layer {conv.name}: {error}") from None


def _groups_at_once(conv: Conv, source: Shape, spec: Spec) -> int:
    """Groups whose input fits the banks together, with room for a column of the next tile if there is one."""
    if conv.groups == 1:
        return 1
    held = {len(channels) for channels in _placed(conv, spec).channels}
    if len(held) > 1:
        raise ShiftbookError(
            f"layer {conv.name}: {spec.slots} slots cannot share the "
            f"{conv.weights.integers.shape[3]} channels of a group evenly"
        )
    layout = tiles.geometry(conv, source[:2], 1, spec)
    room = tiles.capacity(layout.halo_rows, layout.phased, tiles.roomy_ring(layout), spec)
    return max(1, min(conv.groups, room // held.pop()))


def _pieces(conv: Conv, source: Shape, spec: Spec) -> list[tuple[int, Conv]]:
    """A layer without groups, cut by input channels where a slot cannot hold its share."""
    channels = conv.weights.integers.shape[3]
    layout = tiles.geometry(conv, source[:2], 1, spec)
    if -(-channels // spec.slots) <= tiles.capacity(
        layout.halo_rows, layout.phased, tiles.least_ring(layout), spec
    ):
        return [(0, conv)]
    room = tiles.capacity(layout.halo_rows, layout.phased, tiles.roomy_ring(layout), spec)
    return split_inputs(conv, room * spec.slots, spec)


def _part(conv: Conv, first: int, count: int, groups: int) -> Conv:
    """Some output channels, with the groups that they belong to."""
    part = slice(first, first + count)
    weights = conv.weights
    vectors = weights.vectors
    if vectors is not None:
        vectors = replace(vectors, codes=vectors.codes[part], present=vectors.present[part])
    return replace(
        conv,
        groups=groups,
        weights=replace(weights, integers=weights.integers[part], vectors=vectors),
        requantize=_requantize_part(conv.requantize, first, count),
    )


def _requantize_part(whole: Requantize, first: int, count: int) -> Requantize:
    """That of some output channels."""
    part = slice(first, first + count)
    return replace(whole, bias=whole.bias[part], multiplier=whole.multiplier[part], shift=whole.shift[part])


def _sequential(conv: Conv, spec: Spec) -> tuple[Weights, Placement]:
    """Weights that slot 0 alone has, so that it takes one tap after another.

    They are those of a kernel with holes: scattered over W slots, every W-th position is in slot 0. A
    dense feed has no codes of two rows, so each tap has two weights.
    """
    outputs, rows, cols, _ = conv.weights.integers.shape
    values = [-1, 1] if spec.feed == "dense" else [1]
    taps = [(ky, kx) for ky in range(rows) for kx in range(cols)]
    entries = len(taps) * len(values)
    if entries > spec.table_entries:
        raise ShiftbookError(
            f"layer {conv.name}: a {rows}x{cols} maximum needs {entries} tap table entries: "
            f"the spec has {spec.table_entries}"
        )
    integers = np.zeros((outputs, 1, entries * spec.slots, 1), np.int16)
    integers[:, 0, :: spec.slots, 0] = np.tile(values, len(taps))
    book = np.array(sorted(set(values)), np.int16)
    weights = Weights(integers, book, "ones", gapless=False)
    place = items.placement_of(weights, spec.slots, spec)
    table = tuple(TableEntry(ky, kx, 0) for ky, kx in taps for _ in values)
    return weights, replace(place, table=(table,) * spec.slots)
