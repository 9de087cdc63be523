"""DS-CNN for keyword spotting, as in MLPerf Tiny, with random weights: for cycles and gates."""

import torch
from torch import Tensor, nn

CLASSES = 12
CHANNELS = 64


def block(inputs: int, kernel: tuple[int, int], stride: int, groups: int) -> nn.Sequential:
    """A convolution with batch norm and ReLU; the padding keeps the size but for the stride."""
    height, width = kernel
    padding = nn.ZeroPad2d(((width - 1) // 2, width // 2, (height - 1) // 2, height // 2))
    conv = nn.Conv2d(inputs, CHANNELS, kernel, stride, groups=groups, bias=False)
    return nn.Sequential(padding, conv, nn.BatchNorm2d(CHANNELS), nn.ReLU())


class DSCNN(nn.Module):
    """From 49 frames of 10 coefficients [N, 1, 49, 10] to the scores of 12 words."""

    def __init__(self) -> None:
        super().__init__()
        blocks = [block(1, (10, 4), 2, 1)]
        for _ in range(4):
            blocks += [block(CHANNELS, (3, 3), 1, CHANNELS), block(CHANNELS, (1, 1), 1, 1)]
        self.features = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(CHANNELS, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Scores [N, 12]."""
        return self.classifier(self.pool(self.features(x)).flatten(1))


@torch.no_grad()
def make() -> nn.Module:
    """The network; the same weights each time, and batch norm that has seen some noise."""
    torch.manual_seed(0)
    model = DSCNN()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # statistics are those of all images so far
    model.train()
    model(torch.randn(64, 1, 49, 10))
    return model.eval()
