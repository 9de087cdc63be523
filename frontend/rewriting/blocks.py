"""Blocks of pixels that become channels, and strides of 4 and 8, which the engine has not.

A convolution of stride 4 is one of stride 2 on an image whose 2 x 2 blocks are channels. Its kernel has a
quarter of the taps, for four times the channels.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from shiftbook.frontend.graph.model import GraphModel, Node
from shiftbook.frontend.graph.operations import SpaceToDepth
from shiftbook.frontend.layers.fixed import BlockConv2d

STRIDES = (4, 8)
"""Those that are rewritten."""


def make_blocks(graph: GraphModel) -> None:
    """Rewrite all convolutions of these strides, and blocks of 2, 4 and 8 rows and columns."""
    for node in graph.walk():
        operation = graph.of(node)
        if isinstance(operation, SpaceToDepth) and operation.block in (2, *STRIDES):
            _space_to_depth(graph, node, operation)
        elif type(operation) is nn.Conv2d and not _shared(graph, node):
            while _strided(graph, node):
                node = _halved(graph, node)


def _space_to_depth(graph: GraphModel, node: Node, operation: SpaceToDepth) -> None:
    """A layer for each factor of 2, the last one with the channels in their order."""
    block, order, (source,) = operation.block, list(operation.order), node.inputs
    while block > 2:
        channels, height, width = graph.shape(source)
        whole = range(4 * channels)
        shape = (4 * channels, height // 2, width // 2)
        source = graph.insert(node, BlockConv2d(whole, channels), [source], f"{node.name}.half", shape).name
        order = [_place_after_half(place, block) for place in order]
        block //= 2
    graph.place(node.module, BlockConv2d(order, graph.shape(source)[0]))
    graph.nodes[graph.nodes.index(node)] = replace(node, inputs=(source,))


def _place_after_half(place: int, block: int) -> int:
    """Of (channel, row, column) in blocks, the place once blocks of 2 x 2 pixels are channels."""
    channel, row, col = place // block**2, place // block % block, place % block
    half = block // 2
    return ((4 * channel + 2 * (row % 2) + col % 2) * half + row // 2) * half + col // 2


def _strided(graph: GraphModel, node: Node) -> bool:
    """Whether a convolution has such a stride, and more than one output."""
    conv = graph.of(node)
    assert isinstance(conv, nn.Conv2d)
    plain = conv.dilation == (1, 1) and not isinstance(conv.padding, str)
    return plain and conv.stride in [(n, n) for n in STRIDES] and node.shape[1:] != (1, 1)


def _halved(graph: GraphModel, node: Node) -> Node:
    """The convolution with half its stride, on an image whose blocks are channels."""
    conv, (source,) = graph.of(node), node.inputs
    assert isinstance(conv, nn.Conv2d)
    channels, *size = graph.shape(source)
    padding = int(conv.padding[0]), int(conv.padding[1])
    rows, cols = (
        _rows(size[i] + 2 * padding[i], conv.kernel_size[i], node.shape[1 + i], conv.stride[i] // 2)
        for i in (0, 1)
    )
    behind = 2 * rows - size[0] - padding[0], 2 * cols - size[1] - padding[1]
    zeros = (padding[1], max(0, behind[1]), padding[0], max(0, behind[0]))
    if any(zeros):
        shape = (channels, size[0] + zeros[2] + zeros[3], size[1] + zeros[0] + zeros[1])
        source = graph.insert(node, nn.ZeroPad2d(zeros), [source], f"{node.name}.pad", shape).name
    blocks = BlockConv2d(range(4 * channels), channels)
    found = graph.insert(node, blocks, [source], f"{node.name}.blocks", (4 * channels, rows, cols))
    graph.place(node.module, _on_blocks(conv))
    halved = replace(node, inputs=(found.name,))
    graph.nodes[graph.nodes.index(node)] = halved
    return halved


def _rows(length: int, kernel: int, outputs: int, stride: int) -> int:
    """Blocks of an axis that are needed: all whole ones, or one of which half is missing."""
    whole = length // 2
    enough = stride * (outputs - 1) + -(-kernel // 2) <= whole
    return whole if enough else whole + 1


def _on_blocks(conv: nn.Conv2d) -> nn.Conv2d:
    """The same sums from blocks: tap (2 a + dy, 2 b + dx) is tap (a, b) of channel (channel, dy, dx)."""
    outputs, inputs, rows, cols = conv.weight.shape
    weight = nn.functional.pad(conv.weight.detach(), (0, cols % 2, 0, rows % 2))
    size = weight.shape[2] // 2, weight.shape[3] // 2
    parts = weight.reshape(outputs, inputs, size[0], 2, size[1], 2).permute(0, 1, 3, 5, 2, 4)
    stride = conv.stride[0] // 2, conv.stride[1] // 2
    result = nn.Conv2d(
        4 * conv.in_channels, outputs, size, stride, groups=conv.groups, bias=conv.bias is not None
    )
    with torch.no_grad():
        result.weight.copy_(parts.reshape(result.weight.shape))
        if result.bias is not None and conv.bias is not None:
            result.bias.copy_(conv.bias)
    return result


def _shared(graph: GraphModel, node: Node) -> bool:
    """Whether other nodes use the same operation."""
    return sum(other.module == node.module for other in graph.nodes) > 1
