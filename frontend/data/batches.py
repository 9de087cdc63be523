"""Raw uint8 images to normalized network inputs, with the usual augmentation, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


PIXELS = 256 * 32 * 32
"""Pixels that go through a network together: its widest tensors, of all of them, must fit the memory."""


def batch_size(height: int, width: int, most: int) -> int:
    """Return how many images to run together: ``most``, or fewer where ``PIXELS`` are fewer."""
    return max(1, min(most, PIXELS // (height * width)))


def normalize(images: Images, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Return network inputs for raw images.

    Parameters
    ----------
    images
        uint8 [N, H, W, C].
    mean, std
        C values each, for images scaled to 0..1.

    Returns
    -------
    float32 [N, C, H, W], laid out channels last, which is the faster layout for convolutions.
    """
    return Normalizer(mean, std)(torch.from_numpy(images))


class Normalizer:
    """`normalize` for images that are on a device."""

    def __init__(
        self, mean: Sequence[float], std: Sequence[float], device: torch.device | str = "cpu"
    ) -> None:
        scale = [1 / (255 * s) for s in std]
        offset = [-m / s for m, s in zip(mean, std, strict=True)]
        self.scale = torch.tensor(scale, dtype=torch.float32, device=device)
        self.offset = torch.tensor(offset, dtype=torch.float32, device=device)

    def __call__(self, images: Tensor) -> Tensor:
        """[N, H, W, C], raw -> float32 [N, C, H, W]."""
        return (images.float() * self.scale + self.offset).permute(0, 3, 1, 2)


def augment(images: Images, mean: Sequence[float], flip: bool, random: np.random.Generator) -> Images:
    """Return randomly shifted images (by at most an eighth of their size), mirrored or not.

    What comes into view at the border has the mean colour, which is 0 to the network.
    """
    count, height, width, _ = images.shape
    down, right = height // 8, width // 8
    border = np.clip(np.round(255 * np.asarray(mean)), 0, 255).astype(np.uint8)
    padded = np.empty((count, height + 2 * down, width + 2 * right, images.shape[3]), np.uint8)
    padded[:] = border
    padded[:, down : down + height, right : right + width] = images
    rows = random.integers(0, 2 * down + 1, (count, 1)) + np.arange(height)
    cols = np.tile(np.arange(width), (count, 1))
    if flip:
        mirrored = random.random(count) < 0.5
        cols[mirrored] = cols[mirrored, ::-1]
    cols += random.integers(0, 2 * right + 1, (count, 1))
    return padded[np.arange(count)[:, None, None], rows[:, :, None], cols[:, None, :]]


def batches(
    images: Images, labels: Labels, size: int, random: np.random.Generator
) -> Iterator[tuple[Images, Labels]]:
    """Yield shuffled batches of exactly ``size``, or of everything if there is less; a rest is left out."""
    order = random.permutation(len(images))
    size = min(size, len(images))
    for start in range(0, len(images) - size + 1, size):
        chosen = order[start : start + size]
        yield images[chosen], labels[chosen]


def batch_count(images: int, size: int) -> int:
    """Return how many batches `batches` yields."""
    return images // min(size, images)
