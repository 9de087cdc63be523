"""Shortcuts without parameters, and zeros around images and channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from shiftbook.frontend.fusing.builder import Handler, LayerBuilder, Value
from shiftbook.frontend.fusing.layer import PlainLayer
from shiftbook.frontend.graph.model import Node
from shiftbook.frontend.layers.subsample import Subsample as SubsampleModule
from shiftbook.frontend.quantization.affine import Affine
from shiftbook.golden.model.nodes import Subsample
from shiftbook.golden.spec import Spec


@dataclass(kw_only=True)
class SubsampleLayer(PlainLayer):
    """See `frontend.layers.subsample`."""

    source: str
    stride: int
    before: int
    after: int

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.source,)

    def __call__(self, *inputs: Tensor) -> Tensor:
        (x,) = inputs
        return functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))

    def lower(self, calibration: Mapping[str, Affine], spec: Spec) -> Subsample:
        return Subsample(self.name, self.source, self.stride, self.before, self.after)


def subsample(
    builder: LayerBuilder, node: Node, operation: SubsampleModule, values: Sequence[Value]
) -> Value:
    """A shortcut without parameters."""
    (value,) = values
    builder.no_padding(node, value)
    layer = SubsampleLayer(
        name=node.name,
        source=value.layer,
        stride=operation.stride,
        before=operation.before,
        after=operation.after,
    )
    builder.append(layer, node.shape)
    return Value(layer.name)


HANDLERS: dict[type[nn.Module], Handler] = {SubsampleModule: subsample}

SUPPORTED = ("strided slice",)
