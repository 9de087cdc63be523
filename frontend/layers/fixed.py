"""Layers of few weights that stand for what no convolution can take up; none of them is pruned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ScaleConv2d(nn.Conv2d):
    """Every channel times a number, plus a number: a depthwise 1 x 1 convolution.

    Parameters
    ----------
    scale, offset
        [C]; real numbers, and the weights and the bias.
    """

    def __init__(self, scale: Tensor, offset: Tensor) -> None:
        channels = len(scale)
        super().__init__(channels, channels, 1, groups=channels)
        assert self.bias is not None
        with torch.no_grad():
            self.weight.copy_(scale.reshape(-1, 1, 1, 1))
            self.bias.copy_(offset)

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, H, W] or [N, C] -> the same shape."""
        if input.dim() == 4:
            return super().forward(input)
        return super().forward(input[:, :, None, None])[:, :, 0, 0]

    @classmethod
    def identity(cls, channels: int) -> ScaleConv2d:
        """The layer that changes nothing."""
        return cls(torch.ones(channels), torch.zeros(channels))


class SelectConv2d(nn.Conv2d):
    """Channels in another order: a 1 x 1 convolution with one weight in each output channel.

    Parameters
    ----------
    order
        Of each output channel the input channel that it is, or -1 for zeros.
    channels
        Of the input.
    """

    def __init__(self, order: Sequence[int], channels: int) -> None:
        super().__init__(channels, len(order), 1, bias=False)
        self.order = tuple(order)
        found = torch.tensor(order)
        rows = torch.arange(len(order))[found >= 0]
        with torch.no_grad():
            self.weight.zero_()
            self.weight[rows, found[found >= 0], 0, 0] = 1


class SelectLinear(nn.Linear):
    """Features in another order: a fully connected layer with one weight in each output.

    Parameters
    ----------
    order
        Of each output the feature that it is, or -1 for 0.
    features
        Of the input.
    """

    def __init__(self, order: Sequence[int], features: int) -> None:
        super().__init__(features, len(order), bias=False)
        found = torch.tensor(order)
        rows = torch.arange(len(order))[found >= 0]
        with torch.no_grad():
            self.weight.zero_()
            self.weight[rows, found[found >= 0]] = 1


class MeanConv2d(nn.Conv2d):
    """The mean over all channels, pixel by pixel: a 1 x 1 convolution of equal weights."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 1, 1, bias=False)
        with torch.no_grad():
            self.weight.fill_(1 / channels)


class BlockConv2d(nn.Conv2d):
    """Blocks of 2 x 2 pixels become channels: a convolution with one weight in each output channel.

    Parameters
    ----------
    order
        Of each output channel its place among (channel, row in the block, column in the block).
    channels
        Of the input.
    """

    def __init__(self, order: Sequence[int], channels: int) -> None:
        super().__init__(channels, len(order), 2, stride=2, bias=False)
        place = torch.tensor(order)
        with torch.no_grad():
            self.weight.zero_()
            self.weight[torch.arange(len(order)), place // 4, place // 2 % 2, place % 2] = 1


FIXED = (ScaleConv2d, SelectConv2d, SelectLinear, MeanConv2d, BlockConv2d)
"""All of them."""
