"""ResNet-18 and ResNet-50 for photographs, with a strided 1x1 convolution where a shortcut changes shape.

Source: He et al. 2015, "Deep residual learning", section 4.1; ResNet-50 strides in the 3x3 convolution of a
block and not in the 1x1 before it ("v1.5"). The names of the parameters are those of torchvision's
checkpoints, so that these load. 11.7 M and 25.6 M parameters.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

WIDTH = 64
"""Channels of the stem; each stage has twice those of the one before."""


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    """What brings a block's input to the shape of its output, or None where it has that shape."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(_conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


class Basic(nn.Module):
    """Two 3x3 convolutions and a shortcut: [N, inputs, H, W] -> [N, width, H / stride, W / stride]."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """A 3x3 convolution between two of 1x1, and a shortcut: [N, inputs, H, W] -> [N, 4 width, H', W']."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1 = _conv(inputs, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _conv(width, outputs, 1)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """[N, 3, H, W] -> [N, classes]; the stem and the stages halve H and W five times.

    Parameters
    ----------
    block
        Kind of the blocks.
    depths
        Blocks of each of the four stages.
    """

    def __init__(
        self, block: type[Basic | Bottleneck], depths: Sequence[int], classes: int = 1000, width: int = WIDTH
    ) -> None:
        super().__init__()
        self.conv1 = _conv(3, width, 7, 2)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        stages, inputs = [], width
        for i, depth in enumerate(depths):
            blocks = []
            for rank in range(depth):
                blocks.append(block(inputs, width << i, 2 if i and not rank else 1))
                inputs = (width << i) * block.expansion
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores."""
        x = self.maxpool(functional.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def resnet18(classes: int = 1000, width: int = WIDTH) -> ResNet:
    """Eight blocks of two convolutions."""
    return ResNet(Basic, (2, 2, 2, 2), classes, width)


def resnet50(classes: int = 1000, width: int = WIDTH) -> ResNet:
    """Sixteen blocks of three convolutions."""
    return ResNet(Bottleneck, (3, 4, 6, 3), classes, width)
