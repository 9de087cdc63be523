"""Small networks for the tests, with batch norms that do something."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from shiftbook.frontend.float_network import FloatNetwork
from shiftbook.frontend.fusing.fuse import fuse
from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.graph.model import GraphModel
from shiftbook.frontend.layers.shared_conv import SharedConv2d
from shiftbook.frontend.layers.subsample import Subsample


def graph_of(model: nn.Module, shape: tuple[int, int, int]) -> GraphModel:
    """The graph of a model that takes images [C, H, W]; shared weights stay shared."""
    if isinstance(model, GraphModel):
        return model
    graph = FloatNetwork.of(model, shape).graph
    for path, module in model.named_modules():
        if isinstance(module, SharedConv2d):
            graph.place(path, module)
    return graph


def layers_of(model: nn.Module, shape: tuple[int, int, int]) -> LayerGraph:
    """The layers of a model, or of a graph, which they refer to."""
    return fuse(graph_of(model, shape))


def lively(model: nn.Module, seed: int = 0) -> nn.Module:
    """Give batch norms statistics and gains that matter, some gains negative; the model is in eval mode."""
    generator = torch.Generator().manual_seed(seed)

    def draw(like: torch.Tensor) -> torch.Tensor:
        return torch.randn(like.shape, generator=generator)

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                fan_in = module.weight[0].numel()
                module.weight.copy_(draw(module.weight) / fan_in**0.5)
                if module.bias is not None:
                    module.bias.copy_(0.2 * draw(module.bias))
            if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
                module.running_mean.copy_(0.3 * draw(module.running_mean))
                module.running_var.copy_(0.5 + draw(module.running_var).abs())
                module.weight.copy_(draw(module.weight) + 0.5)
                module.bias.copy_(0.3 * draw(module.bias))
    return model.eval()


def dilated() -> nn.Module:
    """Kernels with holes, one of them depthwise, one with padding by name; takes [N, 3, 12, 12]."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=2, dilation=2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=(1, 3), dilation=(1, 3), groups=8),
        nn.ReLU(),
        nn.Conv2d(8, 6, 3, padding="same", dilation=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 5),
    )


class Residual(nn.Module):
    """Stem, three kinds of shortcuts, a depthwise convolution, both pools; takes [N, 3, 16, 16]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding="same", bias=False)
        self.stem_norm = nn.BatchNorm2d(8)
        self.same = nn.Conv2d(8, 8, (3, 5), padding=(1, 2))
        self.main = nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False)
        self.main_norm = nn.BatchNorm2d(16)
        self.side = nn.Conv2d(8, 16, 1, stride=2, bias=False)
        self.side_norm = nn.BatchNorm2d(16)
        self.deep = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.deep_norm = nn.BatchNorm2d(16)
        self.down = nn.Conv2d(16, 32, 2, stride=2)
        self.shortcut = Subsample(2, 8, 8)
        self.pool = nn.MaxPool2d(2)
        self.relu6 = nn.ReLU6(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(32 * 4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem_norm(self.stem(x)))
        x = functional.relu(self.same(x) + x)
        y = self.main_norm(self.main(x))
        y += self.side_norm(self.side(x))
        y = functional.relu(y)
        z = self.relu6(self.deep_norm(self.deep(y)))
        z = torch.add(self.down(z), self.shortcut(y))
        z = self.pool(z).relu()
        return self.head(self.drop(z.view(z.size(0), -1)))


class Activated(nn.Module):
    """Functions behind batch norm, sums, a joined pair, both pools and each other; takes [N, 3, 12, 12]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.left, self.right = nn.Conv2d(8, 5, 1), nn.Conv2d(8, 3, 3, padding=1)
        self.slope, self.slopes, self.pool = nn.PReLU(), nn.PReLU(8, 0.3), nn.MaxPool2d(2)
        self.mean, self.head = nn.AvgPool2d(2), nn.Linear(72, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.silu(self.norm(self.stem(x)))
        x = functional.hardswish(self.depthwise(x) + x)
        x = functional.gelu(torch.cat([self.left(x), self.right(x)], 1))
        x = functional.leaky_relu(self.pool(self.depthwise(x)), 0.1)
        x = torch.tanh(self.depthwise(x)) + functional.elu(x)
        x = self.slope(self.slopes(self.depthwise(x)))
        return self.head(torch.sigmoid(self.mean(x)).flatten(1))


class Excited(nn.Module):
    """Two blocks with squeeze-and-excite, the second in a sum that is activated; takes [N, 3, 12, 12]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.squeeze, self.excite = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.deep = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.down, self.up = nn.Linear(8, 4), nn.Linear(4, 8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.silu(self.norm(self.stem(x)))
        x = x * torch.sigmoid(self.excite(functional.silu(self.squeeze(x.mean((2, 3), keepdim=True)))))
        y = functional.hardswish(self.deep(x))
        gate = functional.hardsigmoid(self.up(functional.relu(self.down(y.mean((2, 3))))))
        x = functional.relu(x + gate[:, :, None, None] * y)
        return self.head(x.mean((2, 3)))


class Dense(nn.Module):
    """A block in which every layer reads the image and all layers before it; takes [N, 3, 8, 8]."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(3 + 4 * i, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
            for i in range(3)
        )
        self.transition = nn.Conv2d(15, 6, 1)
        self.pool = nn.AvgPool2d(2)
        self.head = nn.Linear(6, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = [x]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        x = self.pool(functional.relu(self.transition(torch.cat(features, dim=-3))))
        return self.head(x.mean((2, 3)))


class Mixed(nn.Module):
    """Branches of several kinds side by side, twice, and two heads whose scores are joined; [N, 3, 9, 9]."""

    def __init__(self) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(3, 3, 1)
        self.one = nn.Conv2d(3, 4, 1)
        self.three = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.signed = nn.Conv2d(3, 2, (1, 3), padding=(0, 1))
        self.down = nn.Conv2d(16, 5, 3, stride=2)
        self.left = nn.Linear(26, 4)
        self.right = nn.Conv2d(26, 3, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.squeeze(x))
        x = torch.cat(
            [
                functional.relu6(self.one(x)),
                functional.relu(self.norm(self.three(x))),
                self.signed(x),
                functional.max_pool2d(x, 3, 1, 1),
                functional.avg_pool2d(x, 3, 1, 1),
            ],
            dim=1,
        )
        pooled = functional.max_pool2d(x, 3, 2)
        down = functional.relu(self.down(x))
        x = torch.concat((pooled, down, down), axis=1)
        return torch.cat([self.left(x.mean((2, 3))), torch.flatten(self.right(x), 1)], -1)


def small() -> nn.Sequential:
    """Convolutions with and without batch norm, and a hidden fully connected layer; takes [N, 2, 8, 8]."""
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.ZeroPad2d((1, 0, 2, 1)),
        nn.Conv2d(6, 8, 3, stride=2, groups=2),
        nn.ReLU6(),
        nn.Flatten(),
        nn.Linear(8 * 3 * 2, 12),
        nn.BatchNorm1d(12),
        nn.ReLU(),
        nn.Linear(12, 5),
    )
