"""Transposed convolutions and pixel shuffles become layers whose outputs are interleaved.

The accelerator can store a tensor as every second row and column of another. So what a transposed convolution
of stride s gives is s x s ordinary convolutions, with a part of the kernel each, and nothing is multiplied by
zeros. A stride of 4 is interleaved twice.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import nn

from shiftbook.frontend.graph.model import GraphModel, Node
from shiftbook.frontend.graph.operations import ChannelAffine, Clamp, DepthToSpace, Interleave, SelectChannels
from shiftbook.frontend.rewriting.phases import axes_of, phase_of

Phases = Mapping[tuple[int, int], str]
"""Names of the values that are the phases (dy, dx) of another."""

PER_CHANNEL = (nn.BatchNorm2d, ChannelAffine)
"""Operations with parameters for each channel, which treat all pixels of it alike."""

POINTWISE = (nn.ReLU, nn.ReLU6, Clamp)
"""Operations that treat all elements alike."""


def interleave(graph: GraphModel) -> None:
    """Rewrite all transposed convolutions and pixel shuffles of strides that are powers of two."""
    found = [(node, graph.of(node)) for node in graph.nodes]  # before a shared operation is replaced
    for node, operation in found:
        if isinstance(operation, nn.ConvTranspose2d):
            _transposed(graph, node, operation)
        elif isinstance(operation, DepthToSpace) and is_power(operation.block):
            _shuffled(graph, node, operation)


def is_power(stride: int) -> bool:
    """Whether pixels can be interleaved this many times, two by two."""
    return stride > 1 and not stride & (stride - 1)


def runs_in_phases(node: Node, operation: nn.ConvTranspose2d) -> bool:
    """Whether a transposed convolution is interleaved; with stride 1 there is one phase."""
    stride = int(operation.stride[0])
    fits = stride == 1 or (is_power(stride) and min(node.shape[1:]) >= stride)
    return len(set(operation.stride)) == 1 and fits


def _transposed(graph: GraphModel, node: Node, operation: nn.ConvTranspose2d) -> None:
    """Its phases, each with what belongs to channels behind it; with stride 1 there is one phase."""
    if not runs_in_phases(node, operation):
        return
    stride = int(operation.stride[0])
    followers = _followers(graph, node)
    phases = {}
    for number in range(stride**2):
        value = _phase(graph, node, operation, divmod(number, stride), f".phase{number}")
        for follower in followers:
            own = copy.deepcopy(graph.of(follower))
            value = graph.insert(node, own, [value.name], f"{follower.name}.phase{number}")
        phases[divmod(number, stride)] = value.name
    for follower in reversed(followers):
        graph.bypass(follower)
    _becomes(graph, node, phases, stride)


def _phase(
    graph: GraphModel, node: Node, operation: nn.ConvTranspose2d, phase: tuple[int, int], end: str
) -> Node:
    """The convolution of one phase, with the padding before it."""
    (source,), (outputs, *whole) = node.inputs, node.shape
    channels, *size = graph.shape(source)
    own = tuple(-(-(n - first) // operation.stride[0]) for n, first in zip(whole, phase, strict=True))
    conv, zeros = phase_of(operation, axes_of(operation, phase, tuple(size), own))
    if any(zeros):
        left, right, top, bottom = zeros
        shape = (channels, size[0] + top + bottom, size[1] + left + right)
        source = graph.insert(node, nn.ZeroPad2d(zeros), [source], f"{node.name}{end}.pad", shape).name
    return graph.insert(node, conv, [source], node.name + end, (outputs, *own))


def _followers(graph: GraphModel, node: Node) -> list[Node]:
    """The operations on channels that alone read a value, one after another."""
    found: list[Node] = []
    reader = graph.sole_reader(node.name)
    while reader is not None and isinstance(graph.of(reader), PER_CHANNEL):
        found.append(reader)
        reader = graph.sole_reader(reader.name)
    return found


def _shuffled(graph: GraphModel, node: Node, operation: DepthToSpace) -> None:
    """Channels that are phases: of the layer before, where it can be cut; else each is picked by a layer."""
    block = operation.block
    make = _cut(graph, node) or _picked(graph, node)
    phases = {
        (dy, dx): make(operation.order[dy * block + dx :: block**2], dy * block + dx)
        for dy in range(block)
        for dx in range(block)
    }
    _becomes(graph, node, phases, block)


Make = Callable[[tuple[int, ...], int], str]
"""Makes a value of some channels, for the phase of a number, and gives its name."""


def _picked(graph: GraphModel, node: Node) -> Make:
    (source,) = node.inputs
    _, *size = graph.shape(source)

    def make(channels: tuple[int, ...], number: int) -> str:
        shape = (len(channels), *size)
        return graph.insert(
            node, SelectChannels(channels), [source], f"{node.name}.phase{number}", shape
        ).name

    return make


def _cut(graph: GraphModel, node: Node) -> Make | None:
    """From a convolution, with what follows it; None where something else reads any of it."""
    chain: list[Node] = []
    before = graph.node(node.inputs[0])
    while before is not None and graph.sole_reader(before.name) is not None and not _shared(graph, before):
        chain.insert(0, before)
        if not isinstance(graph.of(before), (*PER_CHANNEL, *POINTWISE)):
            break
        before = graph.node(before.inputs[0])
    if not chain or type(conv := graph.of(chain[0])) is not nn.Conv2d or conv.groups > 1:
        return None
    operations = [graph.of(link) for link in chain]
    for link in chain:
        graph.place(link.module, nn.Identity())

    def make(channels: tuple[int, ...], number: int) -> str:
        (value,) = chain[0].inputs
        for link, operation in zip(chain, operations, strict=True):
            shape = (len(channels), *link.shape[1:])
            part = _of_channels(operation, list(channels))
            value = graph.insert(node, part, [value], f"{link.name}.phase{number}", shape).name
        return value

    return make


def _shared(graph: GraphModel, node: Node) -> bool:
    """Whether other nodes use the same operation."""
    return sum(other.module == node.module for other in graph.nodes) > 1


def _of_channels(operation: nn.Module, channels: list[int]) -> nn.Module:
    """What an operation does to some of its output channels."""
    result = copy.deepcopy(operation)
    tensors = {**dict(result.named_parameters()), **dict(result.named_buffers())}
    for name, tensor in tensors.items():
        if tensor.dim():
            part = tensor.detach()[channels].clone()
            setattr(result, name, nn.Parameter(part) if isinstance(tensor, nn.Parameter) else part)
    if isinstance(result, nn.Conv2d):
        result.out_channels = len(channels)
        if isinstance(grid := getattr(operation, "grid", None), torch.Tensor) and grid.dim():
            result.grid = grid[channels]
    if isinstance(result, nn.BatchNorm2d):
        result.num_features = len(channels)
    return result


def _becomes(graph: GraphModel, node: Node, phases: Phases, stride: int) -> None:
    """The node interleaves its phases."""
    if stride == 1:
        whole = replace(node, inputs=(phases[0, 0],))
        graph.nodes[graph.nodes.index(node)] = whole
        graph.bypass(whole)
        return
    while stride > 2:
        stride //= 2
        phases = {
            (dy, dx): _interleaved(
                graph, node, {k: phases[dy + stride * k[0], dx + stride * k[1]] for k in FOUR}
            )
            for dy in range(stride)
            for dx in range(stride)
        }
    graph.place(node.module, Interleave())
    graph.nodes[graph.nodes.index(node)] = replace(node, inputs=tuple(phases[k] for k in FOUR))


FOUR = ((0, 0), (0, 1), (1, 0), (1, 1))
"""The phases of stride 2."""


def _interleaved(graph: GraphModel, node: Node, phases: Phases) -> str:
    """A value between, of every ``stride``-th row and column of the node's."""
    names = [phases[k] for k in FOUR]
    (channels, rows, cols), (_, lower, right) = graph.shape(names[0]), graph.shape(names[3])
    shape = (channels, rows + lower, cols + right)
    return graph.insert(node, Interleave(), names, f"{node.name}.between", shape).name
