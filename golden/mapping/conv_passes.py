"""A convolution as passes of the engine: its groups, its parts of input channels, its copies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from shiftbook.golden.coding import items
from shiftbook.golden.coding.layer_coding import LayerCoding
from shiftbook.golden.coding.placement import Placement, TableEntry
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping import tiles
from shiftbook.golden.mapping.job import Gating, Pass, View
from shiftbook.golden.mapping.split import as_it_is, split_inputs
from shiftbook.golden.mapping.tiles import Geometry
from shiftbook.golden.mapping.windows import Window, windows
from shiftbook.golden.model.nodes import Conv, Shape
from shiftbook.golden.model.weights import Requantize, Weights
from shiftbook.golden.spec import PARTIAL_BYTES, Spec

SUMS = ".sums"
"""What the name of a layer's partial sums ends with."""


class _Piece(NamedTuple):
    """Channels of a layer that run in one pass, in each copy of the layer: what its weights decide.

    Attributes
    ----------
    conv, whole
        The layer on these input channels, and on all that add up to the same outputs.
    coding
        What is sent for it: with maximum pooling, other weights.
    layout
        On the grid.
    input, output
        Its first channels within those of one copy.
    partial_in, partial_out
        Whether it goes on with partial sums, and whether it leaves them.
    block
        Row and column of the block of the input that it begins in.
    """

    conv: Conv
    whole: Conv
    coding: LayerCoding
    layout: Geometry
    input: int
    output: int
    partial_in: bool = False
    partial_out: bool = False
    block: tuple[int, int] = (0, 0)


class _Ends(NamedTuple):
    """What a layer, or a copy of it, reads and writes."""

    source: View
    target: View
    residual: View | None
    pad: int
    residual_zero_point: int


def engine_passes(
    conv: Conv,
    source: Shape,
    views: Mapping[str, View],
    pad: int,
    residual_zero_point: int,
    spec: Spec,
    maximum: bool = False,
    gating: Gating | None = None,
) -> list[Pass]:
    """The layer in as many pieces as the activation banks need, its copies one after another.

    Parameters
    ----------
    source
        Of the layer's input.
    views
        Where the tensors lie, by name.
    pad
        What lies outside of the input.
    residual_zero_point
        Zero point of the residual.
    maximum
        Whether lanes keep the larger instead of adding up.
    gating
        Whether the layer's residual holds the multipliers of its channels, or of its pixels.

    Raises
    ------
    ShiftbookError
        The layer cannot be placed or laid out; the message names it.
    """
    pieces = _maximum_pieces(conv, source, spec) if maximum else _pieces(conv, source, spec)
    outputs, _, _, inputs = conv.weights.integers.shape
    inputs *= conv.groups
    result = []
    for number in range(conv.copies):
        ends = _Ends(
            source=views[conv.source].part(number * inputs, inputs),
            target=views[conv.name].part(number * outputs, outputs),
            residual=views[conv.residual].part(number * outputs, outputs) if conv.residual else None,
            pad=pad,
            residual_zero_point=residual_zero_point,
        )
        result += [_pass(_of_copy(piece, number, conv), ends, maximum) for piece in pieces]
    return [replace(step, gating=gating) for step in result]


def _of_copy(piece: _Piece, number: int, layer: Conv) -> _Piece:
    """The piece with the requantizer of a copy: that of the layer has all of them."""
    if layer.copies == 1:
        return piece
    outputs = len(piece.conv.weights.integers)
    first = number * len(layer.weights.integers) + piece.output
    own = _requantize_part(layer.requantize, first, outputs)
    whole = replace(piece.whole, copies=1, requantize=own)
    kept = piece.conv.requantize if piece.partial_out else own
    return piece._replace(conv=replace(piece.conv, copies=1, requantize=kept), whole=whole)


def _pass(piece: _Piece, ends: _Ends, maximum: bool) -> Pass:
    outputs, _, _, inputs = piece.conv.weights.integers.shape
    target = ends.target.part(piece.output, outputs)
    residual = ends.residual.part(piece.output, outputs) if ends.residual else None
    sums = View(piece.whole.name + SUMS, 0, PARTIAL_BYTES * outputs, PARTIAL_BYTES * outputs)
    return Pass(
        node=piece.conv.name,
        conv=piece.conv,
        coding=piece.coding,
        layout=piece.layout,
        source=ends.source.part(piece.input, piece.conv.groups * inputs),
        target=sums if piece.partial_out else target,
        residual=sums if piece.partial_in else residual,
        pad=ends.pad,
        residual_zero_point=0 if piece.partial_out else ends.residual_zero_point,
        maximum=maximum,
        whole=piece.whole,
        partial_in=piece.partial_in,
        partial_out=piece.partial_out,
        source_block=piece.block,
    )


def group_passes(step: Pass, at_once: int, spec: Spec) -> list[Pass]:
    """A pass of a whole layer, or of some of its groups, as several of at most ``at_once`` groups each."""
    conv = step.conv
    each, inputs = len(conv.weights.integers) // conv.groups, conv.weights.integers.shape[3]
    size = -(-conv.groups // -(-conv.groups // at_once))
    found = []
    for first in range(0, conv.groups, size):
        own = _groups(conv, first, min(size, conv.groups - first))
        coding = LayerCoding(own.weights, _placed(own, spec), spec)
        piece = _piece(own, coding, step.layout, first * inputs, first * each, spec)
        outputs = piece.output, len(own.weights.integers)
        found.append(
            replace(
                step,
                conv=own,
                whole=own,
                coding=coding,
                layout=piece.layout,
                source=step.source.part(piece.input, own.groups * inputs),
                target=step.target.part(*outputs),
                residual=None if step.residual is None else step.residual.part(*outputs),
            )
        )
    return found


class _Part(NamedTuple):
    """A part of a layer's kernel, laid out once for all of its groups."""

    window: Window
    layout: Geometry
    placement: Placement


def _pieces(conv: Conv, source: Shape, spec: Spec) -> list[_Piece]:
    """All groups that fit together; where one does not fit, its input channels or its kernel in parts."""
    parts = [
        _Part(window, tiles.geometry(window.conv, window.source, spec), _placed(window.conv, spec))
        for window in windows(conv, source[:2], spec)
    ]
    if conv.groups == 1:
        return _chain(conv, parts, 0, 0, spec)
    at_once = min(_groups_at_once(part.window.conv, part.placement, part.layout, spec) for part in parts)
    each, inputs = len(conv.weights.integers) // conv.groups, conv.weights.integers.shape[3]
    result = []
    for first in range(0, conv.groups, at_once):
        count = min(at_once, conv.groups - first)
        own = [
            part._replace(window=replace(part.window, conv=_groups(part.window.conv, first, count)))
            for part in parts
        ]
        result += _chain(_groups(conv, first, count), own, first * inputs, first * each, spec)
    return result


def _chain(whole: Conv, parts: list[_Part], first: int, output: int, spec: Spec) -> list[_Piece]:
    """Passes that add up to a layer, from its first to its last part; each goes on with the sums before it.

    ``first`` and ``output`` are its first channels within the layer that it is a part of.
    """
    found = [piece for part in parts for piece in _split_pieces(part, first, output, spec)]
    last = len(found) - 1
    outputs, residual = len(whole.weights.integers), whole.residual is not None
    return [
        piece._replace(
            whole=whole,
            conv=replace(
                piece.conv, requantize=whole.requantize if number == last else as_it_is(outputs, residual)
            ),
            partial_in=number > 0,
            partial_out=number < last,
        )
        for number, piece in enumerate(found)
    ]


def _split_pieces(part: _Part, first: int, output: int, spec: Spec) -> list[_Piece]:
    """A part of a kernel, cut by input channels where a slot cannot hold its share."""
    conv, layout = part.window.conv, part.layout
    room = _room(layout, tiles.least_ring(layout), spec)
    held = max(
        len(channels) for channels in part.placement.channels
    )  # by a slot: all where they are scattered
    fewer = (conv.weights.integers.shape[3] - 1) // spec.slots * spec.slots
    if conv.groups == 1 and held > room and fewer:
        at_once = min(fewer, _room(layout, tiles.roomy_ring(layout), spec) * spec.slots)
        cut = [(start, own, _placed(own, spec)) for start, own in split_inputs(conv, at_once, spec)]
    else:
        cut = [(0, conv, part.placement)]
    pieces = [
        _piece(own, LayerCoding(own.weights, placement, spec), layout, first + start, output, spec)
        for start, own, placement in cut
    ]
    return [piece._replace(block=part.window.block) for piece in pieces]


def _maximum_pieces(conv: Conv, source: Shape, spec: Spec) -> list[_Piece]:
    """A group for each channel, with the weights that bring one tap after another."""
    placement = _placed(conv, spec) if conv.groups > 1 else None
    layout = tiles.geometry(conv, source[:2], spec)
    at_once = 1 if placement is None else _groups_at_once(conv, placement, layout, spec)
    weights, sequence = _sequential(conv, spec)
    result = []
    for first in range(0, conv.groups, at_once):
        part = _groups(conv, first, min(at_once, conv.groups - first))
        own = replace(weights, integers=weights.integers[first : first + part.groups])
        result.append(_piece(part, LayerCoding(own, sequence, spec), layout, first, first, spec))
    return result


def _piece(conv: Conv, coding: LayerCoding, layout: Geometry, first: int, output: int, spec: Spec) -> _Piece:
    local = conv.groups * max(len(held) for held in coding.placement.channels)
    return _Piece(conv, conv, coding, tiles.in_banks(layout, conv.name, local, spec), first, output)


def _placed(conv: Conv, spec: Spec) -> Placement:
    try:
        return items.placement_of(conv.weights, spec.slots, spec)
    except ShiftbookError as error:
        raise ShiftbookError(f"layer {conv.name}: {error}") from None


def _groups_at_once(conv: Conv, placement: Placement, layout: Geometry, spec: Spec) -> int:
    """Groups whose input fits the banks together, with room for a column of the next tile if there is one."""
    held = {len(channels) for channels in placement.channels}
    if len(held) > 1:
        raise ShiftbookError(
            f"layer {conv.name}: {spec.slots} slots cannot share the "
            f"{conv.weights.integers.shape[3]} channels of a group evenly"
        )
    room = _room(layout, tiles.roomy_ring(layout), spec)
    return max(1, min(conv.groups, room // held.pop()))


def _room(layout: Geometry, ring: int, spec: Spec) -> int:
    """Channels that fit a bank with this ring."""
    return tiles.capacity(layout.halo_rows, layout.phased, ring, spec)


def _groups(conv: Conv, first: int, count: int) -> Conv:
    """Some groups of a layer, with their output channels."""
    if count == conv.groups:
        return conv
    each = len(conv.weights.integers) // conv.groups
    part = slice(first * each, (first + count) * each)
    weights = conv.weights
    vectors = weights.vectors
    if vectors is not None:
        vectors = replace(vectors, codes=vectors.codes[part], present=vectors.present[part])
    return replace(
        conv,
        groups=count,
        weights=replace(weights, integers=weights.integers[part], vectors=vectors),
        requantize=_requantize_part(conv.requantize, part.start, count * each),
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
    placement = items.placement_of(weights, spec.slots, spec)
    table = tuple(TableEntry(ky, kx, 0) for ky, kx in taps for _ in values)
    return weights, replace(placement, table=(table,) * spec.slots)
