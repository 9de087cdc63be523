"""A float network that is ready to be compressed: its graph, rewritten, and its layers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from shiftbook.frontend.fusing.fuse import fuse
from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.graph.model import GraphModel
from shiftbook.frontend.importing.normalization import Normalization
from shiftbook.frontend.importing.recording.read import TOLERANCE, read_model
from shiftbook.frontend.rewriting.rewrite import Rewritten, rewrite
from shiftbook.golden.errors import ShiftbookError


@dataclass
class FloatNetwork:
    """A network as a graph that can be trained.

    Attributes
    ----------
    graph
        It takes and gives batches like any model.
    layers
        The passes over tensors that the accelerator makes of it; they refer to the graph's operations.
    rewritten
        What was taken out of the user's model.
    """

    graph: GraphModel
    layers: LayerGraph
    rewritten: Rewritten

    @classmethod
    def of(cls, model: nn.Module, input_shape: tuple[int, int, int]) -> FloatNetwork:
        """Read a model.

        Parameters
        ----------
        input_shape
            (C, H, W) of the image.

        Raises
        ------
        ShiftbookError
            The model does something that has no operation in the graph, or none on the accelerator.
        """
        graph = read_model(model, input_shape)
        rewritten = rewrite(graph)
        layers = fuse(graph)
        _check(graph, layers)
        return cls(graph, layers, rewritten)

    def fuse(self) -> None:
        """Find the layers again, after operations were put in the place of others."""
        self.layers = fuse(self.graph)

    def normalization(self, given: Normalization) -> Normalization:
        """Normalization of the graph's input, where the model got ``given`` and did the rest by itself."""
        scale, offset = self.rewritten.scale, self.rewritten.offset
        if scale is None or offset is None:
            return given
        return given.then(scale.tolist(), offset.tolist())


@torch.no_grad()
def _check(graph: GraphModel, layers: LayerGraph) -> None:
    """The layers against the graph; float rounding is all that may differ."""
    images = torch.randn(2, *graph.input_shape, generator=torch.Generator().manual_seed(2))
    result = graph(images)
    wanted = torch.cat([part.flatten(1) for part in (result if isinstance(result, tuple) else (result,))], 1)
    got = layers.run(images).reshape(wanted.shape)
    if not bool((got - wanted).abs().max() <= TOLERANCE * wanted.abs().max().clamp(min=1e-6)):
        raise ShiftbookError("the layers do not compute what the model computes; please report this model")
