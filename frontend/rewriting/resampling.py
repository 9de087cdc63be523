"""What moves over maps in other steps than the accelerator's becomes resampling, before or behind a layer.

An operation that is linear along rows and along columns is a matrix for each. It is found by what the
operation makes of unit vectors: so the weights are torch's own, whatever its mode and its corners.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from shiftbook.frontend.graph.functions import CLAMPS, FUNCTIONS
from shiftbook.frontend.graph.model import GraphModel, Node, beside
from shiftbook.frontend.graph.operations import DepthToSpace, Resample, SpaceToDepth
from shiftbook.frontend.layers.subsample import Subsample
from shiftbook.frontend.rewriting.blocks import STRIDES
from shiftbook.frontend.rewriting.upsampling import PER_CHANNEL, is_power, runs_in_phases
from shiftbook.golden.model.integer import span_of

Pair = tuple[int, int]

LINEAR = ("nearest", "nearest-exact", "bilinear")
"""Modes of up-sampling without weights below 0, which integers of the same scale hold."""

MIRRORED = (nn.ReflectionPad2d, nn.ReplicationPad2d)
"""Padding by pixels of the map."""

STEPS = ((1, 1), (2, 2))
"""Strides of the engine."""


def resample(graph: GraphModel) -> None:
    """Rewrite all interpolation, mirrored padding, uneven pooling, and strides that the engine has not."""
    for node in graph.walk():
        operation = graph.of(node)
        if isinstance(operation, DepthToSpace) and not is_power(operation.block):
            operation = _shuffled(graph, node, operation)
        elif isinstance(operation, SpaceToDepth) and not is_power(operation.block):
            operation = _unshuffled(graph, node, operation)
        if isinstance(operation, nn.Upsample) and not _doubles(graph, node, operation):
            _interpolated(graph, node, operation)
        elif isinstance(operation, MIRRORED):
            _mirrored(graph, node, operation)
        elif isinstance(operation, nn.AdaptiveAvgPool2d):
            _averaged(graph, node)
        elif isinstance(operation, nn.ConvTranspose2d) and not runs_in_phases(node, operation):
            _with_zeros_between(graph, node, operation)
        elif isinstance(operation, Subsample) and operation.stride > 2:
            _subsampled(graph, node, operation)
        elif isinstance(operation, nn.AvgPool2d) and not _is_plain(graph, node, operation):
            _averaged_in_windows(graph, node, operation)
        elif isinstance(operation, (nn.Conv2d, nn.MaxPool2d)):
            _strided(graph, node, operation)


def _doubles(graph: GraphModel, node: Node, operation: nn.Upsample) -> bool:
    """Whether it repeats pixels 2, 4 or 8 times on both axes, which storing does."""
    _, height, width = graph.shape(node.inputs[0])
    factor = node.shape[1] // height
    same = node.shape[1:] == (factor * height, factor * width)
    return operation.mode.startswith("nearest") and same and is_power(factor)


def _interpolated(graph: GraphModel, node: Node, operation: nn.Upsample) -> None:
    if operation.mode not in LINEAR:
        return
    _, height, width = graph.shape(node.inputs[0])
    scale = operation.scale_factor
    factors = None if scale is None else scale if isinstance(scale, tuple) else (scale, scale)

    def along(axis: int) -> Callable[[Tensor], Tensor]:
        def interpolate(x: Tensor) -> Tensor:
            size = (
                {"size": (node.shape[1 + axis], 1)}
                if factors is None
                else {"scale_factor": (factors[axis], 1.0)}
            )
            return functional.interpolate(
                x, **size, mode=operation.mode, align_corners=operation.align_corners
            )

        return interpolate

    graph.place(node.module, Resample(matrix(along(0), height), matrix(along(1), width)))


def _mirrored(graph: GraphModel, node: Node, operation: nn.ReflectionPad2d | nn.ReplicationPad2d) -> None:
    """Each line around the map is a line of it."""
    _, height, width = graph.shape(node.inputs[0])
    left, right, top, bottom = operation.padding
    make = type(operation)
    rows, cols = matrix(make((0, 0, top, bottom)), height), matrix(make((0, 0, left, right)), width)
    graph.place(node.module, Resample(rows, cols))


def _averaged(graph: GraphModel, node: Node) -> None:
    """Windows of several sizes."""
    _, height, width = graph.shape(node.inputs[0])
    rows, cols = (
        matrix(nn.AdaptiveAvgPool2d((size, 1)), length)
        for size, length in zip(node.shape[1:], (height, width), strict=True)
    )
    graph.place(node.module, Resample(rows, cols))


def _is_plain(graph: GraphModel, node: Node, operation: nn.AvgPool2d) -> bool:
    """Whether all windows count all their pixels, and move as the engine's do."""
    stride, padding = _pair(operation.stride), _pair(operation.padding)
    counts = operation.count_include_pad or padding == (0, 0)
    _, *size = graph.shape(node.inputs[0])
    inside = all(
        (count - 1) * step + kernel <= length + 2 * pad
        for count, step, kernel, length, pad in zip(
            node.shape[1:], stride, _pair(operation.kernel_size), size, padding, strict=True
        )
    )
    return counts and inside and _fits(graph, node, operation, stride)


def _averaged_in_windows(graph: GraphModel, node: Node, operation: nn.AvgPool2d) -> None:
    """Windows at the edges count the pixels that they have."""
    if operation.divisor_override is not None:
        return
    _, *size = graph.shape(node.inputs[0])

    def along(axis: int) -> nn.AvgPool2d:
        kernel, stride, padding = (
            (_pair(option)[axis], other)
            for option, other in ((operation.kernel_size, 1), (operation.stride, 1), (operation.padding, 0))
        )
        return nn.AvgPool2d(kernel, stride, padding, operation.ceil_mode, operation.count_include_pad)

    graph.place(node.module, Resample(*(matrix(along(axis), size[axis]) for axis in (0, 1))))


def matrix(operation: Callable[[Tensor], Tensor], length: int) -> Tensor | None:
    """[lines, length] of what an operation does along rows; None where it leaves them alone."""
    result = operation(torch.eye(length)[None, :, :, None])[0, :, :, 0].T.contiguous()
    return None if torch.equal(result, torch.eye(length)) else result


def picking(step: int, length: int, count: int) -> Tensor | None:
    """[count, length] every ``step``-th line; None where these are all."""
    return None if (step, count) == (1, length) else torch.eye(length)[: (count - 1) * step + 1 : step]


def _with_zeros_between(graph: GraphModel, node: Node, operation: nn.ConvTranspose2d) -> None:
    """A transposed convolution of stride 1, of its input with zeros between the pixels."""
    (source,) = node.inputs
    channels, *size = graph.shape(source)
    spaced = [_spaced(length, stride) for length, stride in zip(size, operation.stride, strict=True)]
    shape = (channels, *(length if m is None else len(m) for m, length in zip(spaced, size, strict=True)))
    zeros = graph.insert(node, Resample(*spaced), [source], f"{node.name}.zeros", shape)
    plain = copy.deepcopy(operation)
    plain.stride, plain.output_padding = (1, 1), (0, 0)  # the node's shape says what output_padding said
    path = beside(f"{node.name}.plain") if _shared(graph, node) else node.module
    graph.place(path, plain)
    graph.nodes[graph.nodes.index(node)] = replace(node, module=path, inputs=(zeros.name,))


def _spaced(length: int, stride: int) -> Tensor | None:
    """[(length - 1) * stride + 1, length] lines with zeros between them."""
    whole = (length - 1) * stride + 1
    return None if whole == length else torch.eye(whole)[:, ::stride].contiguous()


def _shuffled(graph: GraphModel, node: Node, operation: DepthToSpace) -> nn.Module:
    """A transposed convolution whose kernel has one weight for each of its channels."""
    block, order = operation.block, operation.order
    conv = nn.ConvTranspose2d(len(order), len(order) // block**2, block, block, bias=False)
    place = torch.arange(len(order))
    conv.weight.zero_()
    conv.weight[list(order), place // block**2, place // block % block, place % block] = 1
    graph.place(node.module, conv)
    return conv


def _unshuffled(graph: GraphModel, node: Node, operation: SpaceToDepth) -> nn.Module:
    """A convolution whose kernel has one weight for each of its outputs."""
    block, order = operation.block, torch.tensor(operation.order)
    conv = nn.Conv2d(graph.shape(node.inputs[0])[0], len(order), block, block, bias=False)
    conv.weight.zero_()
    conv.weight[torch.arange(len(order)), order // block**2, order // block % block, order % block] = 1
    graph.place(node.module, conv)
    return conv


def _subsampled(graph: GraphModel, node: Node, operation: Subsample) -> None:
    """Pixels that are picked, and channels of zeros around them."""
    (source,) = node.inputs
    channels, height, width = graph.shape(source)
    rows, cols = (
        picking(operation.stride, length, count)
        for length, count in zip((height, width), node.shape[1:], strict=True)
    )
    if operation.before or operation.after:
        shape = (channels, *node.shape[1:])
        picked = graph.insert(node, Resample(rows, cols), [source], f"{node.name}.picked", shape)
        graph.place(node.module, Subsample(1, operation.before, operation.after))
        graph.nodes[graph.nodes.index(node)] = replace(node, inputs=(picked.name,))
    else:
        graph.place(node.module, Resample(rows, cols))


def _strided(graph: GraphModel, node: Node, operation: nn.Conv2d | nn.MaxPool2d) -> None:
    """The layer with stride 1, and behind it and what it takes up the pixels that are wanted."""
    stride = _pair(operation.stride)
    if len(node.shape) != 3 or _fits(graph, node, operation, stride):
        return
    plain = copy.deepcopy(operation)
    plain.stride = (1, 1)
    size = _whole(graph, node, operation, stride)
    if isinstance(plain, nn.MaxPool2d):
        node = _padded_as_ceil_mode_does(graph, node, plain, size)
    path = beside(f"{node.name}.plain") if _shared(graph, node) else node.module
    graph.place(path, plain)
    chain = [replace(node, module=path), *_followers(graph, node)]
    last, wanted = chain[-1], node.shape[1:]
    for link in chain:
        at = next(i for i, other in enumerate(graph.nodes) if other.name == link.name)
        graph.nodes[at] = replace(link, shape=(link.shape[0], *size))
    at = next(i for i, other in enumerate(graph.nodes) if other.name == last.name)
    name = f"{last.name}.all"
    graph.nodes[at] = replace(graph.nodes[at], name=name)
    path = beside(f"{last.name}.picked")
    rows, cols = (picking(*axis) for axis in zip(stride, size, wanted, strict=True))
    graph.place(path, Resample(rows, cols))
    graph.nodes.insert(at + 1, Node(last.name, path, (name,), last.shape, last.place))


def _fits(graph: GraphModel, node: Node, operation: nn.Module, stride: Pair) -> bool:
    """Whether the engine has the stride, as it is or on blocks of pixels; of one line any is right."""
    rows, cols = node.shape[1:]
    moved = {step for step, count in zip(stride, (rows, cols), strict=True) if count > 1}
    if len(moved) < 2 and moved <= {1, 2}:
        return True
    blocks = type(operation) is nn.Conv2d and operation.dilation == (1, 1) and not _shared(graph, node)
    return blocks and stride in [(n, n) for n in STRIDES]


def _whole(graph: GraphModel, node: Node, operation: nn.Conv2d | nn.MaxPool2d, stride: Pair) -> Pair:
    """Rows and columns of the output with stride 1; windows that ceil_mode adds are among them."""
    _, *size = graph.shape(node.inputs[0])
    span = span_of(_pair(operation.kernel_size), _pair(getattr(operation, "dilation", 1)))
    given = operation.padding
    padding = (0, 0) if isinstance(given, str) else _pair(given)  # "same" has stride 1, and is not met
    rows, cols = (
        max((count - 1) * step + 1, length + 2 * pad - reach + 1)
        for count, step, length, pad, reach in zip(node.shape[1:], stride, size, padding, span, strict=True)
    )
    return rows, cols


def _padded_as_ceil_mode_does(graph: GraphModel, node: Node, plain: nn.MaxPool2d, whole: Pair) -> Node:
    """The node behind what never wins, so that ``whole`` windows are there without ceil_mode."""
    (source,) = node.inputs
    channels, height, width = graph.shape(source)
    plain.ceil_mode = False
    reach = span_of(_pair(plain.kernel_size), _pair(plain.dilation))
    below, beside = (
        count + span - 1 - length - 2 * pad
        for count, span, length, pad in zip(whole, reach, (height, width), _pair(plain.padding), strict=True)
    )
    if not below and not beside:
        return node
    shape = (channels, height + below, width + beside)
    far = nn.ConstantPad2d((0, beside, 0, below), -math.inf)
    padded = graph.insert(node, far, [source], f"{node.name}.pad", shape)
    found = replace(node, inputs=(padded.name,))
    graph.nodes[graph.nodes.index(node)] = found
    return found


def _followers(graph: GraphModel, node: Node) -> list[Node]:
    """What a requantizer takes up, and nothing else reads."""
    found: list[Node] = []
    reader = graph.sole_reader(node.name)
    while reader is not None and isinstance(graph.of(reader), (*PER_CHANNEL, *CLAMPS, *FUNCTIONS)):
        found.append(reader)
        reader = graph.sole_reader(reader.name)
    return found


def _shared(graph: GraphModel, node: Node) -> bool:
    """Whether other nodes use the same operation."""
    return sum(other.module == node.module for other in graph.nodes) > 1


def _pair(value: int | tuple[int, ...]) -> Pair:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[-1]))
