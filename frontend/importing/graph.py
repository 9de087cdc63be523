"""The network as hardware sees it: a layer is one pass over its input, with all that can ride along.

A convolution carries its batch norm, the tensor that is added to it and its ReLU, because the requantizer
does all three while the accumulators drain. The layers keep references to the modules they came from, so
that weights changed by quantization or fine-tuning are seen without tracing again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from shiftbook.frontend.layers.shared_conv import SharedConv2d

Activation = Literal["relu", "relu6"]
Norm = nn.BatchNorm2d | nn.BatchNorm1d
Observer = Callable[[str, Tensor], None]

INPUT = "input"
"""Name of the normalized image."""


@dataclass(kw_only=True)
class ConvLayer:
    """Convolution, or a fully connected layer as a convolution whose kernel covers its whole input.

    Parameters
    ----------
    name
        Unique: the module's path, with ``@2``, ``@3``, ... where the model calls one module again.
    path
        The module's path.
    source, residual
        Names of the layers whose outputs are convolved and, where there is one, added after batch norm.
    input_shape
        (C, H, W) of the source.
    padding
        Rows and columns of zeros: top, bottom, left, right.
    norm_path
        Path of the batch norm, or None.
    """

    name: str
    path: str
    source: str
    module: nn.Conv2d | nn.Linear
    input_shape: tuple[int, int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    norm: Norm | None = None
    norm_path: str | None = None
    residual: str | None = None
    activation: Activation | None = None

    @property
    def kernel(self) -> tuple[int, int]:
        """(height, width) of the kernel."""
        if isinstance(self.module, nn.Linear):
            return self.input_shape[1], self.input_shape[2]
        return self.module.kernel_size[0], self.module.kernel_size[1]

    @property
    def groups(self) -> int:
        """Groups of channels that do not meet."""
        return self.module.groups if isinstance(self.module, nn.Conv2d) else 1

    @property
    def copies(self) -> int:
        """Consecutive runs of channels that have the same weights (see frontend.shared_conv)."""
        return self.module.copies if isinstance(self.module, SharedConv2d) else 1

    @property
    def outputs(self) -> int:
        """Output channels."""
        return self.copies * len(self.module.weight)

    def weight(self) -> Tensor:
        """The weight as [O, I, kh, kw], whatever the module's own layout; of copies it is stored once."""
        if isinstance(self.module, nn.Linear):
            return self.module.weight.reshape(-1, *self.input_shape)
        return self.module.weight

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """The layer in floating point on [N, C, H, W]."""
        top, bottom, left, right = self.padding
        x = functional.pad(x, (left, right, top, bottom))
        weight = self.weight().repeat(self.copies, 1, 1, 1) if self.copies > 1 else self.weight()
        groups = self.groups * self.copies
        y = functional.conv2d(x, weight, self.module.bias, self.stride, groups=groups)
        if self.norm is not None:
            norm = self.norm
            y = functional.batch_norm(
                y, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
            )
        if residual is not None:
            y = y + residual
        return activate(y, self.activation)


@dataclass(kw_only=True)
class PoolLayer:
    """Max or average pooling; the average divides by the whole window, padding (zeros) included."""

    name: str
    source: str
    kind: Literal["max", "average"]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    activation: Activation | None = None  # average only

    def __call__(self, x: Tensor) -> Tensor:
        """The layer in floating point on [N, C, H, W]."""
        top, bottom, left, right = self.padding
        empty = -torch.inf if self.kind == "max" else 0.0
        x = functional.pad(x, (left, right, top, bottom), value=empty)
        if self.kind == "max":
            return functional.max_pool2d(x, self.kernel, self.stride)
        return activate(functional.avg_pool2d(x, self.kernel, self.stride), self.activation)


@dataclass(kw_only=True)
class SubsampleLayer:
    """See frontend.subsample."""

    name: str
    source: str
    stride: int
    before: int
    after: int

    def __call__(self, x: Tensor) -> Tensor:
        """The layer in floating point on [N, C, H, W]."""
        return functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))


@dataclass(kw_only=True)
class ConcatLayer:
    """The channels of several tensors one after another."""

    name: str
    sources: tuple[str, ...]

    def __call__(self, *tensors: Tensor) -> Tensor:
        """The layer in floating point on tensors [N, C, H, W] of one height and width."""
        return torch.cat(tensors, dim=1)


Layer = ConvLayer | PoolLayer | SubsampleLayer | ConcatLayer


def activate(x: Tensor, activation: Activation | None) -> Tensor:
    """Apply a layer's clamp."""
    if activation is None:
        return x
    return functional.relu(x) if activation == "relu" else functional.relu6(x)


@dataclass
class Graph:
    """Layers in an order in which they can run; the last one's output is the result.

    ``input_shape`` is (C, H, W) of the normalized image, which goes by the name ``INPUT``; ``classes`` is the
    number of the result's channels.
    """

    input_shape: tuple[int, int, int]
    layers: list[Layer]
    classes: int

    def convs(self) -> Iterator[ConvLayer]:
        """The layers that have weights, in order."""
        return (layer for layer in self.layers if isinstance(layer, ConvLayer))

    @property
    def paths(self) -> list[str]:
        """Module paths of the layers that have weights, in order, each once."""
        return list(dict.fromkeys(layer.path for layer in self.convs()))

    @torch.no_grad()
    def run(self, x: Tensor, observe: Observer | None = None) -> Tensor:
        """Run all layers in floating point.

        Parameters
        ----------
        x
            Normalized images, [N, C, H, W].
        observe
            Called with the name and value of the input and of each layer's output.

        Returns
        -------
        The last layer's output, [N, C, H, W].
        """
        last_use = {name: i for i, layer in enumerate(self.layers) for name in sources(layer)}
        values = {INPUT: x}
        if observe:
            observe(INPUT, x)
        for i, layer in enumerate(self.layers):
            x = layer(*(values[name] for name in sources(layer)))
            values[layer.name] = x
            if observe:
                observe(layer.name, x)
            for name in sources(layer):
                if last_use[name] == i:
                    values.pop(name, None)
        return x


def sources(layer: Layer) -> tuple[str, ...]:
    """Names of the tensors that a layer reads, in the order in which it takes them."""
    if isinstance(layer, ConcatLayer):
        return layer.sources
    if isinstance(layer, ConvLayer) and layer.residual is not None:
        return layer.source, layer.residual
    return (layer.source,)
