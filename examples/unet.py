"""A small U-Net with transposed convolutions, with random weights: a map of 4 classes for each image."""

from itertools import pairwise

import torch
from torch import Tensor, nn

CLASSES = 4
WIDTHS = (16, 32, 64)


def block(inputs: int, outputs: int) -> nn.Sequential:
    """Two convolutions with batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """From images [N, 3, 128, 128] to the scores of classes at each pixel [N, 4, 128, 128]."""

    def __init__(self) -> None:
        super().__init__()
        pairs = list(pairwise(WIDTHS))
        self.first = block(3, WIDTHS[0])
        self.down = nn.ModuleList(block(narrow, wide) for narrow, wide in pairs)
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList(nn.ConvTranspose2d(wide, narrow, 2, 2) for narrow, wide in pairs[::-1])
        self.merge = nn.ModuleList(block(2 * narrow, narrow) for narrow, _ in pairs[::-1])
        self.last = nn.Conv2d(WIDTHS[0], CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of classes, pixel by pixel."""
        maps = [self.first(x)]
        for down in self.down:
            maps.append(down(self.pool(maps[-1])))
        x = maps.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([up(x), maps.pop()], 1))
        return self.last(x)


@torch.no_grad()
def make() -> nn.Module:
    """The network; the same weights each time, and batch norm that has seen some noise."""
    torch.manual_seed(0)
    model = UNet()
    model(torch.randn(8, 3, 128, 128))
    return model.eval()
