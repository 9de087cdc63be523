"""VGG-11 for photographs, without batch norm.

Source: Simonyan and Zisserman 2014, "Very deep convolutional networks for large-scale image recognition",
table 1, column A. The names of the parameters are those of torchvision's checkpoints, so that these load.
133 M parameters, of which the first fully connected layer has 103 M.
"""

from __future__ import annotations

from torch import Tensor, nn

STAGES = ((64,), (128,), (256, 256), (512, 512), (512, 512))
"""Output channels of the convolutions of each stage, which ends in a max pool."""

HIDDEN = 4096
GRID = 7
"""Rows and columns of pixels that the fully connected layers see."""


class VGG11(nn.Module):
    """[N, 3, 224, 224] -> [N, classes]; other sizes that are multiples of 224 are averaged down to 7x7.

    Parameters
    ----------
    width
        Factor of the channels and hidden features.
    """

    def __init__(self, classes: int = 1000, width: float = 1.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for stage in STAGES:
            for base in stage:
                outputs = round(base * width)
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        hidden = round(HIDDEN * width)
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(GRID)
        self.classifier = nn.Sequential(
            nn.Linear(inputs * GRID * GRID, hidden),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(hidden, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Class scores."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))
