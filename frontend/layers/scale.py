"""Every channel times a number, plus a number, as a layer: what no convolution can take up."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ScaleConv2d(nn.Conv2d):
    """A depthwise 1 x 1 convolution, of its own type so that its few weights are not pruned.

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
