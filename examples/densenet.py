"""A thin DenseNet for images of 224 x 224, with random weights: every layer reads all before it."""

import torch
from torch import Tensor, nn

CLASSES = 100
GROWTH = 12
LAYERS = (4, 6, 8, 6)
"""Of each dense block."""


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Batch norm and ReLU come first, as in DenseNet."""
    return nn.Sequential(
        nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    )


class Dense(nn.Module):
    """Layers that each add channels to what they read."""

    def __init__(self, inputs: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(conv(inputs + i * GROWTH, 4 * GROWTH, 1), conv(4 * GROWTH, GROWTH, 3))
            for i in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Channels of the input, and of all layers."""
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


class DenseNet(nn.Module):
    """From images [N, 3, 224, 224] to scores [N, 100]."""

    def __init__(self) -> None:
        super().__init__()
        channels = 2 * GROWTH
        parts: list[nn.Module] = [
            nn.Conv2d(3, channels, 7, 2, 3, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        ]
        for number, layers in enumerate(LAYERS):
            if number:
                parts += [conv(channels, channels // 2, 1), nn.AvgPool2d(2)]
                channels //= 2
            parts.append(Dense(channels, layers))
            channels += layers * GROWTH
        self.features = nn.Sequential(*parts, nn.BatchNorm2d(channels), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Scores."""
        return self.classifier(self.pool(self.features(x)).flatten(1))


@torch.no_grad()
def make() -> nn.Module:
    """The network; the same weights each time, and batch norm that has seen some noise."""
    torch.manual_seed(0)
    model = DenseNet()
    model(torch.randn(4, 3, 224, 224))
    return model.eval()
