"""How many channels a network takes, told before any image is read."""

from __future__ import annotations

from torch import nn


def input_channels(model: nn.Module) -> int | None:
    """Channels of the first convolution, in the order in which modules were made; None without one."""
    known = getattr(model, "channels", None)
    if isinstance(known, int):
        return known
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d):
            return module.in_channels
    return None
