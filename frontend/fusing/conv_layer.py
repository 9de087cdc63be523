"""Convolutions and fully connected layers, with all that rides along on them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from shiftbook.frontend.fusing.layer import ClampedLayer
from shiftbook.frontend.layers.shared_conv import SharedConv2d
from shiftbook.golden.model.integer import output_size, span_of

Norm = nn.BatchNorm2d | nn.BatchNorm1d


@dataclass(kw_only=True)
class ConvLayer(ClampedLayer):
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

    path: str
    source: str
    module: nn.Conv2d | nn.Linear
    input_shape: tuple[int, int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    norm: Norm | None = None
    norm_path: str | None = None
    residual: str | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.source,) if self.residual is None else (self.source, self.residual)

    @property
    def requantizes(self) -> bool:
        return True

    @property
    def kernel(self) -> tuple[int, int]:
        """(height, width) of the kernel."""
        if isinstance(self.module, nn.Linear):
            return self.input_shape[1], self.input_shape[2]
        return self.module.kernel_size[0], self.module.kernel_size[1]

    @property
    def dilation(self) -> tuple[int, int]:
        """Distance of neighbouring taps, (vertical, horizontal)."""
        if isinstance(self.module, nn.Linear):
            return 1, 1
        return self.module.dilation[0], self.module.dilation[1]

    @property
    def output_size(self) -> tuple[int, int]:
        """Rows and columns of the output."""
        _, height, width = self.input_shape
        span = span_of(self.kernel, self.dilation)
        return output_size(height, width, span, self.stride, self.padding)

    @property
    def groups(self) -> int:
        """Groups of channels that do not meet."""
        return self.module.groups if isinstance(self.module, nn.Conv2d) else 1

    @property
    def copies(self) -> int:
        """Consecutive runs of channels that have the same weights (see `frontend.layers.shared_conv`)."""
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

    def sums(self, *inputs: Tensor) -> Tensor:
        x, *residual = inputs
        top, bottom, left, right = self.padding
        x = functional.pad(x, (left, right, top, bottom))
        weight = self.weight().repeat(self.copies, 1, 1, 1) if self.copies > 1 else self.weight()
        groups = self.groups * self.copies
        y = functional.conv2d(x, weight, self.module.bias, self.stride, 0, self.dilation, groups)
        if self.norm is not None:
            norm = self.norm
            y = functional.batch_norm(
                y, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
            )
        for added in residual:
            y = y + added
        return self.clamp(y)
