"""Up-sampling: tensors as every second row and column of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from shiftbook.frontend.fusing.builder import Handler, LayerBuilder, Value
from shiftbook.frontend.fusing.layer import PlainLayer
from shiftbook.frontend.graph.model import Node
from shiftbook.frontend.graph.operations import Interleave
from shiftbook.frontend.quantization.affine import Affine
from shiftbook.golden.model import nodes
from shiftbook.golden.spec import Spec


@dataclass(kw_only=True)
class InterleaveLayer(PlainLayer):
    """Pixel (2 y + dy, 2 x + dx) is that of source ``2 dy + dx``."""

    sources: tuple[str, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.sources

    def __call__(self, *inputs: Tensor) -> Tensor:
        return Interleave()(*inputs)

    def lower(self, calibration: Mapping[str, Affine], spec: Spec) -> nodes.Interleave:
        return nodes.Interleave(self.name, self.sources)


def interleave(builder: LayerBuilder, node: Node, operation: Interleave, values: Sequence[Value]) -> Value:
    """Four tensors, as a transposed convolution or a pixel shuffle has left them."""
    for value in values:
        builder.no_padding(node, value)
    layer = InterleaveLayer(name=node.name, sources=tuple(value.layer for value in values))
    builder.append(layer, node.shape)
    # A ReLU of all pixels is a ReLU of each part.
    able = all(value.carriers for value in values)
    return Value(layer.name, carriers=tuple(c for value in values for c in value.carriers) if able else ())


def upsample(builder: LayerBuilder, node: Node, operation: nn.Upsample, values: Sequence[Value]) -> Value:
    """Nearest pixels, 2, 4 or 8 times on both axes: one tensor four times, twice for a factor of 4."""
    (value,) = values
    builder.no_padding(node, value)
    channels, height, width = builder.shapes[value.layer]
    factor = node.shape[1] // height
    if not operation.mode.startswith("nearest"):
        raise builder.unsupported(node, f"its mode must be nearest or bilinear, not {operation.mode}")
    source, scale = value.layer, 2
    while scale <= factor:
        name = node.name if scale == factor else f"{node.name}.x{scale}"
        builder.append(
            InterleaveLayer(name=name, sources=(source,) * 4), (channels, scale * height, scale * width)
        )
        source, scale = name, 2 * scale
    return Value(source, carriers=value.carriers)


HANDLERS: dict[type[nn.Module], Handler] = {Interleave: interleave, nn.Upsample: upsample}

SUPPORTED = ("ConvTranspose2d", "PixelShuffle", "Upsample")
