"""The network as hardware sees it: a layer is one pass over its input, with all that can ride along.

A convolution carries its batch norm, the tensor that is added to it and its ReLU, because the requantizer
does all three while the accumulators drain. The layers keep references to the modules they came from, so
that weights changed by quantization or fine-tuning are seen without tracing again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from shiftbook.frontend.fusing.conv_layer import ConvLayer
from shiftbook.frontend.fusing.layer import ClampedLayer, Layer
from shiftbook.frontend.graph.model import INPUT
from shiftbook.frontend.layers.fixed import FIXED
from shiftbook.frontend.quantization.affine import Affine

Observer = Callable[[str, Tensor], None]


@dataclass
class LayerGraph:
    """Layers in an order in which they can run.

    ``input_shape`` is (C, H, W) of the normalized image, which goes by the name ``INPUT``. ``classes`` is the
    number of class scores; None where the network gives maps or several tensors instead. ``given`` are scales
    of tensors that the user's file has quantized. ``outputs`` names the layers whose outputs are results;
    where it is empty, the last one's is.
    """

    input_shape: tuple[int, int, int]
    layers: list[Layer]
    classes: int | None
    given: dict[str, Affine] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()

    @property
    def results(self) -> tuple[str, ...]:
        """Names of the layers whose outputs are results."""
        return self.outputs or (self.layers[-1].name,)

    def convs(self) -> Iterator[ConvLayer]:
        """The layers that have weights, in order."""
        return (layer for layer in self.layers if isinstance(layer, ConvLayer))

    def with_functions(self) -> dict[str, ClampedLayer]:
        """The layers that have functions, by the name of what these take."""
        clamped = (layer for layer in self.layers if isinstance(layer, ClampedLayer))
        return {layer.before: layer for layer in clamped if layer.functions}

    @property
    def paths(self) -> list[str]:
        """Module paths of the layers that have weights, in order, each once."""
        return list(dict.fromkeys(layer.path for layer in self.convs()))

    @property
    def fixed(self) -> list[str]:
        """Paths of the layers that only scale or select channels, in order, each once."""
        found = (layer.path for layer in self.convs() if isinstance(layer.module, FIXED))
        return list(dict.fromkeys(found))

    @torch.no_grad()
    def run(self, x: Tensor, observe: Observer | None = None) -> Tensor:
        """Run all layers in floating point.

        Parameters
        ----------
        x
            Normalized images, [N, C, H, W].
        observe
            Called with the name and value of the input, of each layer's output, and of what a layer's
            functions take.

        Returns
        -------
        The result, [N, C, H, W], or where there are several all of them flattened, [N, n].
        """
        if observe:
            observe(INPUT, x)
        return self.run_from(0, {INPUT: x}, observe)

    @torch.no_grad()
    def run_from(self, place: int, values: Mapping[str, Tensor], observe: Observer | None = None) -> Tensor:
        """Run the layers from one place on.

        Parameters
        ----------
        place
            Of the first layer to run, from 0.
        values
            What it and those behind it read of the layers before, by name.

        Returns
        -------
        See `run`.
        """
        last_use = {name: i for i, layer in enumerate(self.layers) for name in layer.inputs}
        values = dict(values)
        for i, layer in enumerate(self.layers[place:], place):
            inputs = [values[name] for name in layer.inputs]
            if observe and isinstance(layer, ClampedLayer) and layer.functions:
                sums = layer.sums(*inputs)
                observe(layer.before, sums)
                x = layer.function(sums)
            else:
                x = layer(*inputs)
            values[layer.name] = x
            if observe:
                observe(layer.name, x)
            for name in layer.inputs:
                if last_use[name] == i and name not in self.results:
                    values.pop(name, None)
        found = [values[name] for name in self.results]
        return found[0] if len(found) == 1 else torch.cat([result.flatten(1) for result in found], dim=1)
