"""MobileNetV2 for photographs.

Source: Sandler et al. 2018, "MobileNetV2: inverted residuals and linear bottlenecks", table 2. The names of
the parameters are those of torchvision's checkpoints, so that these load. 3.5 M parameters.
"""

from __future__ import annotations

from torch import Tensor, nn

STEM = 32
HEAD = 1280

STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Of each stage: expansion, output channels, blocks, and the stride of the first of them."""

DIVISOR = 8
"""Channels come in multiples of this, whatever the width."""


def channels(wished: float) -> int:
    """The nearest multiple of ``DIVISOR``, at least one, and the next where that is more than 10 % below."""
    nearest = max(DIVISOR, int(wished + DIVISOR / 2) // DIVISOR * DIVISOR)
    return nearest + DIVISOR if nearest < 0.9 * wished else nearest


class ConvNorm(nn.Sequential):
    """Convolution, batch norm and ReLU6."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU6(),
        )


class Inverted(nn.Module):
    """Widens, convolves every channel on its own, narrows; adds its input where shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        widening = [] if expansion == 1 else [ConvNorm(inputs, hidden, 1)]
        self.conv = nn.Sequential(
            *widening,
            ConvNorm(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, H / stride, W / stride]."""
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(nn.Module):
    """[N, 3, H, W] -> [N, classes]; H and W are halved five times.

    Parameters
    ----------
    width
        Factor of all channel counts, but the head never has fewer than ``HEAD``.
    """

    def __init__(self, classes: int = 1000, width: float = 1.0) -> None:
        super().__init__()
        inputs = channels(STEM * width)
        layers: list[nn.Module] = [ConvNorm(3, inputs, 3, 2)]
        for expansion, base, blocks, stride in STAGES:
            outputs = channels(base * width)
            for rank in range(blocks):
                layers.append(Inverted(inputs, outputs, 1 if rank else stride, expansion))
                inputs = outputs
        head = channels(HEAD * max(1.0, width))
        layers.append(ConvNorm(inputs, head, 1))
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(head, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Class scores."""
        return self.classifier(self.pool(self.features(x)).flatten(1))
