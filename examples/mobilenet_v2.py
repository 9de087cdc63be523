"""MobileNetV2 with random weights, for cycles and gates: these do not ask whether the answers are right."""

import torch

from shiftbook.frontend.zoo.mobilenet_v2 import MobileNetV2


@torch.no_grad()
def make() -> torch.nn.Module:
    """The network; the same weights each time, and batch norm that has seen some noise."""
    torch.manual_seed(0)
    model = MobileNetV2()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # statistics are those of all images so far
    model.train()
    model(torch.randn(16, 3, 224, 224))
    return model.eval()
