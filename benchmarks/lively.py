"""Random weights with which signals live, and random images: what a trained network meets, roughly.

A new network is no measure of quantization. Its residual branches often begin at zero, its signals shrink
from layer to layer, and its batch norm has seen no image.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

OCTAVES = (2, 4, 8, 16, 32)
"""Cells along a side of the grids of noise that an image adds up.

All have one strength, so that each octave of frequencies holds as much as any other: the amplitude of natural
images falls as one over the frequency (Field, "Relations between the statistics of natural images", 1987).
Without the fine ones, images differ so much that scales measured on some clip others.
"""


def images(count: int, shape: tuple[int, int, int], seed: int) -> NDArray[np.uint8]:
    """Random images with the spectrum of natural ones.

    Parameters
    ----------
    shape
        (C, H, W).

    Returns
    -------
    uint8 [count, H, W, C]; each spans 0..255.
    """
    channels, *size = shape
    random = torch.Generator().manual_seed(seed)
    total = torch.zeros(count, *shape)
    for cells in OCTAVES:
        noise = torch.randn(count, channels, cells, cells, generator=random)
        total += nn.functional.interpolate(noise, size, mode="bilinear")
    low, high = (extreme.reshape(-1, 1, 1, 1) for extreme in total.flatten(1).aminmax(dim=1))
    pixels = (255 * (total - low) / (high - low)).round().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous().numpy()


@torch.no_grad()
def enliven(model: nn.Module, inputs: Tensor, seed: int) -> None:
    """Draw weights that keep the size of signals, and measure batch norm's statistics on ``inputs``.

    Convolutions and linear layers get He's normal weights (arXiv 1502.01852). Two things keep rounding errors
    from growing from layer to layer as they do in no trained network (arXiv 1902.08129): the offsets of norms
    are mostly positive, so that most pixels pass the activations, and depthwise kernels have a positive mean,
    because those that sum to zero leave little of a smooth map.

    Parameters
    ----------
    model
        In eval mode, in which it stays; changed in place.
    inputs
        [N, C, H, W] normalized images.
    """
    random = torch.Generator().manual_seed(seed)
    hooks = []
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=random)
            if module.weight.ndim > 2 and module.weight.shape[1] == 1:
                module.weight.add_(module.weight.std())
        elif isinstance(module, _BatchNorm):
            if module.affine:
                module.weight.uniform_(0.5, 1.5, generator=random)
                module.bias.normal_(1.5, 0.5, generator=random)
            hooks.append(module.register_forward_pre_hook(_measure))
    model(inputs)
    for hook in hooks:
        hook.remove()


def _measure(norm: nn.Module, inputs: tuple[Tensor]) -> None:
    """Let a norm bring its channels to mean 0 and variance 1; those that no image wakes stay small."""
    (x,) = inputs
    assert isinstance(norm, _BatchNorm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    variances, means = torch.var_mean(x.transpose(0, 1).flatten(1), dim=1)
    norm.running_mean.copy_(means)
    norm.running_var.copy_(variances.clamp(min=0.01 * float(variances.mean())))
