"""Answers of a network, and how many of them are right."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from shiftbook.frontend.data.batches import Images, Labels, Normalizer, batch_size
from shiftbook.frontend.training.training import Data

PROCESSOR = torch.device("cpu")


def predictions(
    model: nn.Module,
    call: Callable[[Tensor], Tensor],
    images: Images,
    mean: Sequence[float],
    std: Sequence[float],
    bfloat16: bool,
    device: torch.device = PROCESSOR,
) -> Labels:
    """Return int64 [N] the class whose score ``call(inputs)`` gives as the largest; ``model`` evaluates.

    ``device`` is where ``model`` is.
    """
    normalize = Normalizer(mean, std, device)
    batch = batch_size(images.shape[1], images.shape[2], 256)
    was_training = model.training
    model.eval()
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
        parts = (torch.from_numpy(images[start : start + batch]) for start in range(0, len(images), batch))
        found = [call(normalize(part.to(device))).argmax(1).cpu().numpy() for part in parts]
    model.train(was_training)
    return np.concatenate(found)


def share_right(
    model: nn.Module,
    call: Callable[[Tensor], Tensor],
    data: Data,
    mean: Sequence[float],
    std: Sequence[float],
    bfloat16: bool,
    device: torch.device = PROCESSOR,
) -> float:
    """Return the share of images whose label is the largest of ``call(inputs)``; ``model`` evaluates."""
    images, labels = data
    return float((predictions(model, call, images, mean, std, bfloat16, device) == labels).mean())
