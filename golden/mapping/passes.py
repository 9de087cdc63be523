"""What the engine runs for a network: every node as one or more layers of weights.

The engine knows one kind of layer, a convolution with groups, a residual and a clamp. Average pooling is
a depthwise one whose weights are 1; the normalization of the input and subsampling are 1 x 1 ones with
one weight for each output channel; maximum pooling is a depthwise one in which lanes keep the larger
instead of adding up. Channels are concatenated by where a tensor lies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from shiftbook.golden.coding import items
from shiftbook.golden.coding.placement import Placement, TableEntry
from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping import tiles
from shiftbook.golden.mapping.split import split_inputs
from shiftbook.golden.mapping.tiles import Geometry
from shiftbook.golden.model.network import (
    Concat,
    Conv,
    Network,
    Node,
    Requantize,
    Subsample,
    Weights,
    zero_points,
)
from shiftbook.golden.model.validate import Shape, shapes
from shiftbook.golden.spec import FRACTION, PARTIAL_BYTES, Spec

SUMS = ".sums"
"""What the name of a layer's partial sums ends with."""

PIXELS = ".pixels"
"""What the name of the input's raw pixels ends with."""


@dataclass(frozen=True)
class View:
    """Some channels of a tensor in memory.

    Attributes
    ----------
    tensor
        Name of the node that makes it, or of the whole that it is a part of.
    first, channels
        The first channel, and how many.
    """

    tensor: str
    first: int
    channels: int

    def part(self, first: int, channels: int) -> View:
        """Some of these channels."""
        return View(self.tensor, self.first + first, channels)


@dataclass(frozen=True, eq=False)
class Pass:
    """One layer as the engine runs it.

    Attributes
    ----------
    node
        Name of the node that it is for.
    conv
        Kernel, stride, padding, groups and requantizer.
    weights, placement
        What is coded, and where it lives; those of ``conv`` but for maximum pooling.
    layout
        On the grid.
    source, target, residual
        What it reads, writes and adds.
    pad
        What lies outside of the input.
    residual_zero_point
        Zero point of the residual.
    maximum
        Whether lanes keep the larger instead of adding up.
    whole
        The layer whose accumulators these are: of all input channels.
    partial_in
        Whether ``residual`` is partial sums, with the residuals beside them.
    partial_out
        Whether partial sums leave.
    """

    node: str
    conv: Conv
    weights: Weights
    placement: Placement
    layout: Geometry
    source: View
    target: View
    residual: View | None
    pad: int
    residual_zero_point: int
    maximum: bool
    whole: Conv
    partial_in: bool
    partial_out: bool


@dataclass(frozen=True, eq=False)
class Plan:
    """All passes of a network, and the tensors that they need in memory.

    Attributes
    ----------
    passes
        In the order in which they run.
    tensors
        Shapes of the tensors in memory, by name: the raw pixels, what nodes make, and partial sums.
    views
        Where the tensor of every node lies, and that of the raw pixels.
    """

    passes: tuple[Pass, ...]
    tensors: dict[str, Shape]
    views: dict[str, View]


def plan(network: Network, spec: Spec) -> Plan:
    """Plan a network that is coded for this spec's slots.

    Raises
    ------
    ShiftbookError
        Names the first layer that the engine cannot run, and why.
    """
    found = shapes(network)
    for name in found:
        if any(name.endswith(end) and name.removesuffix(end) in found for end in (SUMS, PIXELS)):
            raise ShiftbookError(f"layer {name}: names that end with {SUMS} or {PIXELS} are taken: rename it")
    views, copies = _views(network, found)
    for node in network.nodes:
        if isinstance(node, Concat):
            for number, source in enumerate(node.sources):
                if (node.name, number) in copies:
                    _check_channels(node.name, found[source][2], spec)
    pixels = network.input.name + PIXELS
    views[pixels] = View(pixels, 0, network.input.shape[2])
    zero = zero_points(network)
    first = _diagonal(
        network.input.name, pixels, network.input.shape[2], 0, 0, 1, network.input.requantize, spec
    )
    result = list(_passes(first, network.input.shape, views, 0, 0, spec))
    for node in network.nodes:
        if isinstance(node, Concat):
            result += _copies(node, copies, found, views, zero, spec)
            continue
        result += _node_passes(node, found[node.source], views, zero, spec)
    roots = {view.tensor for view in views.values()}
    tensors = {name: shape for name, shape in {pixels: network.input.shape, **found}.items() if name in roots}
    for step in result:
        if step.partial_out:
            most = max(step.target.channels, tensors.get(step.target.tensor, (0, 0, 0))[2])
            tensors[step.target.tensor] = (*step.layout.output, most)
    return Plan(tuple(result), tensors, views)


def plan_layer(conv: Conv, source: Shape, spec: Spec) -> tuple[Pass, ...]:
    """The passes of one layer alone, on an input of shape ``source``."""
    names = [conv.name, conv.source, *([conv.residual] if conv.residual else [])]
    views = {name: View(name, 0, source[2] if name == conv.source else conv.outputs) for name in names}
    return tuple(_conv_passes(conv, source, views, 0, 0, spec))


def _views(network: Network, found: dict[str, Shape]) -> tuple[dict[str, View], set[tuple[str, int]]]:
    """Where tensors lie; and the sources of concatenations, by node and number, that must be copied."""
    parents: dict[str, tuple[str, int]] = {}
    copies = set()
    for node in reversed(network.nodes):
        if not isinstance(node, Concat):
            continue
        first = 0
        for number, source in enumerate(node.sources):
            if source in parents:
                copies.add((node.name, number))
            else:
                parents[source] = (node.name, first)
            first += found[source][2]
    views: dict[str, View] = {}
    for name in reversed([network.input.name, *(node.name for node in network.nodes)]):
        whole, first = parents.get(name, (name, 0))
        views[name] = (
            View(name, 0, found[name][2]) if whole == name else views[whole].part(first, found[name][2])
        )
    return views, copies


def _copies(
    node: Concat,
    copies: set[tuple[str, int]],
    found: dict[str, Shape],
    views: dict[str, View],
    zero: dict[str, int],
    spec: Spec,
) -> list[Pass]:
    """Sources that lie elsewhere, because another concatenation has them too."""
    result = []
    first = 0
    for number, source in enumerate(node.sources):
        channels = found[source][2]
        if (node.name, number) in copies:
            conv = _diagonal(node.name, source, channels, 0, 0, 1, _same(channels, zero[source]), spec)
            target = {**views, node.name: views[node.name].part(first, channels)}
            result += _passes(conv, found[source], target, zero[source], 0, spec)
        first += channels
    return result


def _node_passes(
    node: Node, source: Shape, views: dict[str, View], zero: dict[str, int], spec: Spec
) -> list[Pass]:
    assert not isinstance(node, Concat)
    pad = zero[node.source]
    if isinstance(node, Conv):
        return _conv_passes(node, source, views, pad, zero[node.residual] if node.residual else 0, spec)
    channels = source[2]
    if isinstance(node, Subsample):
        outputs = node.before + channels + node.after
        conv = _diagonal(
            node.name,
            node.source,
            channels,
            node.before,
            node.after,
            node.stride,
            _same(outputs, pad),
            spec,
        )
        return _passes(conv, source, views, pad, 0, spec)
    ones = np.full((channels, *node.kernel, 1), _unit(spec), np.int16)
    if node.requantize is None:
        requantize = _same(channels, 0)
    else:
        shared = node.requantize
        bias, multiplier, shift = (
            np.repeat(a, channels) for a in (shared.bias, shared.multiplier, shared.shift)
        )
        requantize = _of_units(replace(shared, bias=bias, multiplier=multiplier, shift=shift), spec)
    conv = Conv(
        name=node.name,
        source=node.source,
        weights=code_weights(ones, "ones", spec),
        requantize=requantize,
        stride=node.stride,
        padding=node.padding,
        groups=channels,
    )
    if node.kind == "max":
        if spec.lane == "shift" and _unit(spec) > 1:
            raise ShiftbookError(
                f"layer {node.name}: a maximum needs a term of exponent 0, and the spec's terms are "
                f"{spec.terms}"
            )
        return _passes(conv, source, views, 0, 0, spec, maximum=True)
    return _passes(conv, source, views, pad, 0, spec)


def _same(channels: int, zero_point: int) -> Requantize:
    """A requantizer under which 1 times an activation is the activation."""
    full = lambda value: np.full(channels, value, np.int64)  # noqa: E731
    return Requantize(full(-zero_point), full(1 << FRACTION), full(FRACTION), zero_point)


def _unit(spec: Spec) -> int:
    """The smallest power of two that the lanes can multiply with in one row."""
    return 1 << min(low for low, _ in spec.terms) if spec.lane == "shift" else 1


def _of_units(requantize: Requantize, spec: Spec) -> Requantize:
    """The requantizer for weights of `_unit` instead of 1."""
    unit = _unit(spec)
    bits = unit.bit_length() - 1
    return replace(requantize, bias=requantize.bias * unit, shift=requantize.shift + bits)


def _check_channels(name: str, channels: int, spec: Spec) -> None:
    """Refuse to hand on too many channels, before memory is taken for channels x channels weights."""
    most = (1 << spec.channel_counter_width) - 1
    if channels > most:
        raise ShiftbookError(
            f"layer {name}: channels must be in 1..{most}, not {channels}, with the spec's "
            "channel_counter_width"
        )


def _diagonal(
    name: str,
    source: str,
    channels: int,
    before: int,
    after: int,
    stride: int,
    requantize: Requantize,
    spec: Spec,
) -> Conv:
    """A 1 x 1 layer that hands every channel on, with channels of the zero point on both sides."""
    outputs = before + channels + after
    _check_channels(name, max(channels, outputs), spec)
    integers = np.zeros((outputs, 1, 1, channels), np.int16)
    integers[before + np.arange(channels), 0, 0, np.arange(channels)] = _unit(spec)
    requantize = _of_units(requantize, spec)
    if before or after:  # the channels that are added have no accumulator to take the zero point from
        requantize = replace(requantize, bias=np.where(integers.any(axis=(1, 2, 3)), requantize.bias, 0))
    return Conv(name, source, code_weights(integers, "ones", spec), requantize, (stride, stride))


def _conv_passes(
    conv: Conv, source: Shape, views: dict[str, View], pad: int, residual_zero_point: int, spec: Spec
) -> list[Pass]:
    """The layer's copies one after another; their streams are the same, and lie in memory once."""
    if conv.copies == 1:
        return _passes(conv, source, views, pad, residual_zero_point, spec)
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
        result += _passes(one, source, own, pad, residual_zero_point, spec)
    return result


def _passes(
    conv: Conv,
    source: Shape,
    views: dict[str, View],
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
