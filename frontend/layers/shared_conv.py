"""A 1x1 convolution with the same weights on several runs of channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from shiftbook.golden.errors import ShiftbookError


class SharedConv2d(nn.Conv2d):
    """Contracts each of ``copies`` consecutive runs of input channels to a run of output channels.

    Every run meets the same weights, which are stored once. ``in_channels`` and ``out_channels`` are those of
    one run. Our own module, so that tracing recognises it by type.

    Parameters
    ----------
    inputs, outputs
        Channels of a run.
    copies
        Runs.
    bias
        Whether each of the ``copies * outputs`` channels has a bias of its own.
    """

    def __init__(self, inputs: int, outputs: int, copies: int, bias: bool = False) -> None:
        if min(inputs, outputs, copies) < 1:
            raise ShiftbookError(
                f"inputs, outputs and copies must be at least 1, not {(inputs, outputs, copies)}"
            )
        super().__init__(inputs, outputs, 1, bias=False)
        self.copies = copies
        if bias:
            self.bias = nn.Parameter(torch.zeros(copies * outputs))

    def forward(self, x: Tensor) -> Tensor:
        """[N, copies * inputs, H, W] -> [N, copies * outputs, H, W]."""
        return functional.conv2d(x, self.weight.repeat(self.copies, 1, 1, 1), self.bias, groups=self.copies)

    def extra_repr(self) -> str:
        """What ``print(model)`` shows."""
        return f"{super().extra_repr()}, copies={self.copies}"
