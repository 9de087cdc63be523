"""Operations of a network's graph that torch.nn has no module for.

The others are torch.nn's own: ``Conv2d``, ``ConvTranspose2d``, ``Linear``, ``BatchNorm2d``, activations,
``MaxPool2d``, ``AvgPool2d``, ``Upsample``, ``ZeroPad2d``, ``Flatten``, ``Softmax``. Each takes the values of
its inputs, [N, C, H, W] or [N, features], in the order of the node's inputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class Add(nn.Module):
    """The sum of two tensors, one perhaps broadcast over the other."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """[N, C, H, W] + [N, C, H, W], or 1 in the place of H and W, or of C."""
        return first + second


class Subtract(nn.Module):
    """The difference of two tensors."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """``first - second``, broadcast like a sum."""
        return first - second


class Multiply(nn.Module):
    """The product of two tensors, one perhaps broadcast over the other, as in squeeze-and-excite."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """``first * second``, broadcast like a sum."""
        return first * second


class Maximum(nn.Module):
    """The larger of two tensors, element by element."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Broadcast like a sum."""
        return torch.maximum(first, second)


class Concatenate(nn.Module):
    """The channels, or features, of several tensors one after another."""

    def forward(self, *parts: Tensor) -> Tensor:
        """[N, C1, H, W], [N, C2, H, W], ... -> [N, C1 + C2 + ..., H, W]."""
        return torch.cat(parts, dim=1)


class Reshape(nn.Module):
    """The same numbers in the same order under another shape.

    Parameters
    ----------
    shape
        Of one image: (C, H, W), or (features,).
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, x: Tensor) -> Tensor:
        """[N, ...] -> [N, *shape]."""
        return x.reshape(len(x), *self.shape)

    def extra_repr(self) -> str:
        """What ``print(model)`` shows."""
        return str(self.shape)


class ChannelAffine(nn.Module):
    """Every channel times a constant, plus a constant.

    Parameters
    ----------
    scale, offset
        [C].
    """

    scale: Tensor
    offset: Tensor

    def __init__(self, scale: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale)
        self.register_buffer("offset", offset)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] or [N, C] -> the same shape."""
        shape = (-1, *(1,) * (x.dim() - 2))
        return x * self.scale.reshape(shape) + self.offset.reshape(shape)


class Line(nn.Module):
    """``scale * x + offset``, the same for all channels: a function of each element like any other.

    Parameters
    ----------
    scale, offset
        Finite.
    """

    def __init__(self, scale: float, offset: float) -> None:
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return x * self.scale + self.offset

    def extra_repr(self) -> str:
        """What ``print(model)`` shows."""
        return f"scale={self.scale:g}, offset={self.offset:g}"


class SelectChannels(nn.Module):
    """Channels in another order: slices, splits and shuffles.

    Parameters
    ----------
    order
        Of each output channel the input channel that it is, or -1 for zeros.
    """

    def __init__(self, order: Sequence[int]) -> None:
        super().__init__()
        self.order = tuple(order)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] or [N, C] -> [N, len(order), ...]."""
        order = torch.tensor(self.order)
        picked = x[:, order.clamp(min=0)]
        if (order >= 0).all():
            return picked
        return picked * (order >= 0).to(x.dtype).reshape(-1, *(1,) * (x.dim() - 2))

    def extra_repr(self) -> str:
        """What ``print(model)`` shows."""
        return f"{len(self.order)} channels"


class Crop(nn.Module):
    """A part of every map.

    Parameters
    ----------
    top, left
        The first row and column.
    size
        Rows and columns.
    """

    def __init__(self, top: int, left: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.top, self.left, self.size = top, left, size

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, *size]."""
        rows, cols = self.size
        return x[:, :, self.top : self.top + rows, self.left : self.left + cols]

    def extra_repr(self) -> str:
        """What ``print(model)`` shows."""
        return f"top={self.top}, left={self.left}, size={self.size}"


class SpaceToDepth(nn.Module):
    """Blocks of pixels become channels.

    Parameters
    ----------
    block
        Rows and columns of a block.
    order
        Of each output channel its place among the input's, which `torch.nn.PixelUnshuffle` puts as
        (channel, row in the block, column in the block).
    """

    def __init__(self, block: int, order: Sequence[int]) -> None:
        super().__init__()
        self.block, self.order = block, tuple(order)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, len(order), H / block, W / block]."""
        return functional.pixel_unshuffle(x, self.block)[:, list(self.order)]

    def extra_repr(self) -> str:
        """What ``print(model)`` shows."""
        return f"block={self.block}"


class DepthToSpace(nn.Module):
    """Channels become blocks of pixels.

    Parameters
    ----------
    block
        Rows and columns of a block.
    order
        The input's channels in the order that `torch.nn.PixelShuffle` takes them in: (channel, row in the
        block, column in the block).
    """

    def __init__(self, block: int, order: Sequence[int]) -> None:
        super().__init__()
        self.block, self.order = block, tuple(order)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C / block^2, block * H, block * W]."""
        return functional.pixel_shuffle(x[:, list(self.order)], self.block)

    def extra_repr(self) -> str:
        """What ``print(model)`` shows."""
        return f"block={self.block}"


class Interleave(nn.Module):
    """Four tensors as every second row and column of one."""

    def forward(self, *phases: Tensor) -> Tensor:
        """[N, C, H, W] each -> [N, C, 2 H, 2 W]: pixel (2 y + dy, 2 x + dx) is that of phase ``2 dy + dx``.

        The lower two may have a row less, and the right two a column less.
        """
        first, last = phases[0], phases[-1]
        size = (first.shape[2] + last.shape[2], first.shape[3] + last.shape[3])
        result = first.new_empty((*first.shape[:2], *size))
        for number, phase in enumerate(phases):
            result[:, :, number // 2 :: 2, number % 2 :: 2] = phase
        return result


class Resample(nn.Module):
    """Rows and columns that are weighted sums of the input's: interpolation, picking, repeating.

    Parameters
    ----------
    rows, columns
        [rows of the output, rows of the input] and likewise for columns; None: they stay as they are.
    """

    rows: Tensor | None
    columns: Tensor | None

    def __init__(self, rows: Tensor | None, columns: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("rows", rows)
        self.register_buffer("columns", columns)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, rows, columns]."""
        if self.rows is not None:
            x = torch.einsum("yh,nchw->ncyw", self.rows, x)
        return x if self.columns is None else torch.einsum("xw,nchw->nchx", self.columns, x)

    def extra_repr(self) -> str:
        """What ``print(model)`` shows."""
        sizes = {name: list(m.shape) for name, m in self.named_buffers()}
        return ", ".join(f"{name}={size}" for name, size in sizes.items())


class ChannelMean(nn.Module):
    """The mean over all channels, pixel by pixel."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, 1, H, W]."""
        return x.mean(dim=1, keepdim=True)


class ChannelMax(nn.Module):
    """The largest of all channels, pixel by pixel."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, 1, H, W]."""
        return x.amax(dim=1, keepdim=True)


class Erf(nn.Module):
    """The error function, of which GELU is made."""

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return torch.erf(x)


class Clamp(nn.Module):
    """Values below ``low`` become it, and those above ``high``.

    Parameters
    ----------
    low, high
        Either may be infinite.
    """

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return x.clamp(self.low, self.high)

    def extra_repr(self) -> str:
        """What ``print(model)`` shows."""
        return f"low={self.low}, high={self.high}"


class FakeQuantize(nn.Module):
    """Real values rounded to integers that stand for them, as a file that is quantized already says.

    Parameters
    ----------
    scale, zero_point
        ``scale * (integer - zero_point)`` is the real value.
    low, high
        The integers' range, at most 256 of them.
    """

    def __init__(self, scale: float, zero_point: int, low: int, high: int) -> None:
        super().__init__()
        self.scale, self.zero_point, self.low, self.high = scale, zero_point, low, high

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape; the gradient goes straight through."""
        integers = (x / self.scale).round().add(self.zero_point).clamp(self.low, self.high)
        rounded = (integers - self.zero_point) * self.scale
        return x + (rounded - x).detach() if x.requires_grad else rounded

    def extra_repr(self) -> str:
        """What ``print(model)`` shows."""
        return f"scale={self.scale:.4g}, zero_point={self.zero_point}, low={self.low}, high={self.high}"
