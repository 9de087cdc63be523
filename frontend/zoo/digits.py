"""A small network for scikit-learn's 8x8 digits, trained on the spot.

Every layer runs on the engine: strides in place of pools, so that the demo has nothing to leave out. Most
of the work stays at 8x8 pixels, one whole tile of the default engine.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from shiftbook.frontend.data.dataset import load
from shiftbook.frontend.data.names import DIGITS
from shiftbook.golden.progress import Progress

DATA = DIGITS
MEAN = (0.0,)
STD = (1.0,)

EPOCHS = 14
BATCH = 64
PEAK_RATE = 4e-3


class Digits(nn.Sequential):
    """[N, 1, 8, 8] -> [N, 10]; 71,824 weights in conv1 to conv5 and linear."""

    def __init__(self) -> None:
        layers: dict[str, nn.Module] = {}
        channels = (1, 16, 32, 32, 64, 64)
        strides = (1, 1, 1, 2, 2)
        for i, stride in enumerate(strides):
            layers[f"conv{i + 1}"] = nn.Conv2d(channels[i], channels[i + 1], 3, stride, padding=1, bias=False)
            layers[f"bn{i + 1}"] = nn.BatchNorm2d(channels[i + 1])
            layers[f"relu{i + 1}"] = nn.ReLU()
        layers["flatten"] = nn.Flatten()
        layers["linear"] = nn.Linear(64 * 2 * 2, 10)
        super().__init__(OrderedDict(layers))


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """[N, C, H, W] moved by up to one pixel each way, all images of a batch alike; zeros come in."""
    down, right = (int(n) for n in torch.randint(0, 3, (2,), generator=generator))
    height, width = images.shape[2:]
    return functional.pad(images, (1, 1, 1, 1))[:, :, down : down + height, right : right + width]


def train(seed: int, progress: Progress) -> nn.Module:
    """Train on the training part of the digits; about ten seconds."""
    dataset = load(DATA, "train", seed=0)
    assert dataset.labels is not None
    images = torch.from_numpy(dataset.images).permute(0, 3, 1, 2).float() / 255
    labels = torch.from_numpy(dataset.labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Digits()
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=1e-2)
    batches = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=EPOCHS * batches)
    model.train()
    for epoch in range(EPOCHS):
        order = torch.randperm(len(images), generator=generator)
        for chosen in order[: batches * BATCH].split(BATCH):
            scores = model(shifted(images[chosen], generator))
            loss = functional.cross_entropy(scores, labels[chosen], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        progress("training digits", epoch + 1, EPOCHS)
    return model.eval()
