"""Convolutions and means over channels, as 1 x 1 convolutions with the weights that say the same."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from shiftbook.frontend.graph.model import GraphModel, Node
from shiftbook.frontend.graph.operations import ChannelMean, Reshape
from shiftbook.frontend.layers.fixed import MeanConv2d


def make_dense(graph: GraphModel) -> None:
    """Rewrite means over channels, and convolutions that run over channels as if these were pixels."""
    for node in graph.walk():
        operation = graph.of(node)
        if isinstance(operation, ChannelMean):
            graph.place(node.module, MeanConv2d(graph.shape(node.inputs[0])[0]))
        elif isinstance(operation, Reshape) and _turned(graph.shape(node.inputs[0])) == node.shape:
            _along_channels(graph, node)


def _turned(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Channels of one pixel as a line of pixels of one channel."""
    return (1, 1, shape[0]) if len(shape) in (1, 3) and shape[1:] in ((), (1, 1)) else ()


def _along_channels(graph: GraphModel, node: Node) -> None:
    """Efficient channel attention: channels become pixels, are convolved, and become channels again."""
    conv = graph.sole_reader(node.name)
    if conv is None or not isinstance(operation := graph.of(conv), nn.Conv2d) or conv.shape[:2] != (1, 1):
        return
    chain = _until_turned_back(graph, conv)
    if not chain:
        return
    (source,) = node.inputs
    channels, outputs = node.shape[2], conv.shape[2]
    lines = operation(torch.eye(channels)[:, None, None])[:, 0, 0]  # what each channel adds, and the bias
    offset = operation(torch.zeros(1, 1, 1, channels))[0, 0, 0]
    dense = nn.Conv2d(channels, outputs, 1, bias=operation.bias is not None)
    dense.weight.copy_((lines - offset).T[:, :, None, None])
    if dense.bias is not None:
        dense.bias.copy_(offset)
    graph.place(conv.module, dense)
    pixels = len(graph.shape(source)) == 3
    for link in chain[:-1]:
        shape = (outputs, 1, 1) if pixels else (outputs,)
        at = graph.nodes.index(link)
        graph.nodes[at] = replace(link, shape=shape)
    graph.bypass(node)
    back = graph.node(chain[-1].name)
    if back is not None and back.shape == graph.shape(back.inputs[0]):
        graph.bypass(back)


def _until_turned_back(graph: GraphModel, conv: Node) -> list[Node]:
    """The convolution, what follows it element by element, and what makes channels again; [] without that."""
    chain = [conv]
    while (reader := graph.sole_reader(chain[-1].name)) is not None:
        chain.append(reader)
        if isinstance(graph.of(reader), (Reshape, nn.Flatten)):
            return chain
        if reader.shape != conv.shape or len(reader.inputs) > 1 or isinstance(graph.of(reader), nn.Conv2d):
            break
    return []
