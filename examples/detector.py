"""A detector in the manner of YOLO, with random weights: SiLU, up-sampling and two heads."""

import torch
from torch import Tensor, nn

CLASSES = 10
BOX = 5
"""Four numbers of a box, and whether there is one."""


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution with batch norm and SiLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.SiLU(),
    )


class Block(nn.Module):
    """Half of the channels go through a residual pair of convolutions, and both halves are joined again."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.enter = conv(channels, channels, 1)
        self.pair = nn.Sequential(conv(half, half), conv(half, half))
        self.leave = conv(3 * half, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        left, right = self.enter(x).chunk(2, 1)
        return self.leave(torch.cat([left, right, right + self.pair(right)], 1))


class Detector(nn.Module):
    """From images [N, 3, 160, 160] to boxes and scores on maps of 20 x 20 and of 10 x 10 cells."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 16, 3, 2), conv(16, 32, 3, 2), Block(32))
        self.middle = nn.Sequential(conv(32, 64, 3, 2), Block(64))
        self.deep = nn.Sequential(conv(64, 128, 3, 2), Block(128))
        self.narrow = conv(128, 64, 1)
        self.up = nn.Upsample(scale_factor=2)
        self.merge = nn.Sequential(conv(128, 64, 1), Block(64))
        self.near = nn.Conv2d(64, BOX + CLASSES, 1)
        self.far = nn.Conv2d(64, BOX + CLASSES, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes and scores of small and of large things."""
        middle = self.middle(self.stem(x))
        deep = self.narrow(self.deep(middle))
        fine = self.merge(torch.cat([self.up(deep), middle], 1))
        return self.near(fine), self.far(deep)


@torch.no_grad()
def make() -> nn.Module:
    """The network; the same weights each time, and batch norm that has seen some noise."""
    torch.manual_seed(0)
    model = Detector()
    model(torch.randn(8, 3, 160, 160))
    return model.eval()
