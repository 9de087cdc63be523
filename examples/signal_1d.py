"""A network for signals of 1,000 samples, with random weights: 1-D convolutions and pooling, 5 classes."""

import torch
from torch import Tensor, nn

CLASSES = 5
SAMPLES = 1000


class Residual(nn.Module):
    """Two convolutions over time and a shortcut; the number of samples halves."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(inputs, outputs, 7, 2, 3, bias=False)
        self.norm = nn.BatchNorm1d(outputs)
        self.second = nn.Conv1d(outputs, outputs, 7, 1, 3, bias=False)
        self.second_norm = nn.BatchNorm1d(outputs)
        self.shortcut = nn.Conv1d(inputs, outputs, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, L] to [N, outputs, L / 2]."""
        y = torch.relu(self.norm(self.first(x)))
        return torch.relu(self.second_norm(self.second(y)) + self.shortcut(x))


class SignalNet(nn.Module):
    """From samples of one lead [N, 1, 1000] to scores [N, 5]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv1d(1, 16, 15, 2, 7, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.MaxPool1d(2)
        )
        self.blocks = nn.Sequential(Residual(16, 32), Residual(32, 32), Residual(32, 64))
        self.pool = nn.AdaptiveAvgPool1d(1)
        self.classifier = nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Scores; images [N, 1, 1, 1000] lose their single row first."""
        x = x.squeeze(2) if x.ndim == 4 else x
        return self.classifier(self.pool(self.blocks(self.stem(x))).flatten(1))


@torch.no_grad()
def make() -> nn.Module:
    """The network; the same weights each time, and batch norm that has seen some noise."""
    torch.manual_seed(0)
    model = SignalNet()
    model(torch.randn(64, 1, SAMPLES))
    return model.eval()
