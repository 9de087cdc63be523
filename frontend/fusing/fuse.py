"""The layers of a network: its graph as passes over tensors that the accelerator makes."""

from __future__ import annotations

from shiftbook.frontend.fusing.builder import LayerBuilder
from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.fusing.operators import HANDLERS, SUPPORTED
from shiftbook.frontend.graph.model import GraphModel


def fuse(graph: GraphModel) -> LayerGraph:
    """Fuse a graph's operations into layers, which keep references to the operations.

    Raises
    ------
    ShiftbookError
        The accelerator has no layer for an operation, which is named as in the user's model.
    """
    return LayerBuilder(graph, HANDLERS, SUPPORTED).build()
