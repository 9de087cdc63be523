"""MobileNetV2 with random weights, for cycles and gates: these do not ask whether the answers are right."""

import torch

from shiftbook.frontend.zoo.mobilenet_v2 import MobileNetV2


def make() -> torch.nn.Module:
    """The network; the same weights each time."""
    torch.manual_seed(0)
    return MobileNetV2()
