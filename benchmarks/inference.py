"""Images a second of the golden model against torch in float32, on one core.

Run ``python -m benchmarks.inference``. The networks have the shapes of the real ones and random weights:
time does not depend on the values. Or give a checkpoint and the network that it was made from:
``python -m benchmarks.inference lite0.ckpt lite0.py:make``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.command import start
from shiftbook.frontend.float_network import FloatNetwork
from shiftbook.frontend.importing.load import load_model
from shiftbook.golden.model.executor import run
from shiftbook.golden.model.network import Input, Network
from shiftbook.golden.model.nodes import Conv, Node, Pool, Subsample
from shiftbook.golden.model.weights import Requantize, Weights
from shiftbook.golden.storage import checkpoint

SECONDS = 3.0
"""Each contender runs for about this long; the fastest repetition counts."""


def _requantize(channels: int, residual: bool = False) -> Requantize:
    ones = np.ones(channels, np.int64)
    return Requantize(0 * ones, 700 * ones, 18 * ones, residual_multiplier=100 if residual else None)


def _conv(
    rng: np.random.Generator,
    name: str,
    source: str,
    kernel: int,
    channels: tuple[int, int],
    stride: int = 1,
    residual: str | None = None,
) -> Conv:
    inputs, outputs = channels
    integers = rng.integers(-24, 25, (outputs, kernel, kernel, inputs)).astype(np.int16)
    integers[rng.random(integers.shape) > 0.2] = 0
    codebook = np.array([v for v in range(-24, 25) if v], np.int16)
    return Conv(
        name,
        source,
        Weights(integers, codebook, "focused", False),
        _requantize(outputs, residual is not None),
        (stride, stride),
        (kernel // 2,) * 4,
        residual=residual,
    )


def digits() -> tuple[Network, nn.Module]:
    """A small CNN for 8x8 digits."""
    rng = np.random.default_rng(0)
    nodes: tuple[Node, ...] = (
        _conv(rng, "conv1", "image", 3, (1, 16)),
        _conv(rng, "conv2", "conv1", 3, (16, 32)),
        Pool("pool1", "conv2", "max", (2, 2), (2, 2)),
        _conv(rng, "conv3", "pool1", 3, (32, 32)),
        Pool("pool2", "conv3", "average", (4, 4), (4, 4), requantize=_requantize(1)),
        _conv(rng, "linear", "pool2", 1, (32, 10)),
    )
    network = Network(Input("image", (8, 8, 1), _requantize(1)), nodes, 4)
    model = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.Linear(32, 10)),
    )
    return network, model


def resnet20() -> tuple[Network, nn.Module]:
    """The CIFAR ResNet-20 with parameter-free shortcuts."""
    rng = np.random.default_rng(0)
    nodes: list[Node] = [_conv(rng, "conv1", "image", 3, (3, 16))]
    blocks: list[nn.Module] = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    width = 16
    for stage in range(3):
        for block in range(3):
            source, outputs = nodes[-1].name, 16 << stage
            stride = 2 if outputs != width else 1
            name = f"layer{stage + 1}.{block}"
            shortcut = source
            if stride == 2:
                shortcut = f"{name}.shortcut"
                nodes.append(Subsample(shortcut, source, 2, width // 2, width // 2))
            nodes.append(_conv(rng, f"{name}.conv1", source, 3, (width, outputs), stride))
            nodes.append(
                _conv(rng, f"{name}.conv2", f"{name}.conv1", 3, (outputs, outputs), residual=shortcut)
            )
            blocks.append(_Block(width, outputs, stride))
            width = outputs
    nodes.append(Pool("pool", nodes[-1].name, "average", (8, 8), (8, 8), requantize=_requantize(1)))
    nodes.append(_conv(rng, "linear", "pool", 1, (64, 10)))
    network = Network(Input("image", (32, 32, 3), _requantize(3)), tuple(nodes), 4)
    return network, nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)])
        self.stride, self.added = stride, outputs - inputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Two convolutions and a shortcut that subsamples and pads channels."""
        y = self.norms[1](self.conv2(torch.relu(self.norms[0](self.conv1(x)))))
        half = self.added // 2
        x = x[:, :, :: self.stride, :: self.stride]
        return torch.relu(y + nn.functional.pad(x, (0, 0, 0, 0, half, self.added - half)))


def images_per_second(function: Callable[[], object], images: int) -> float:
    """The best of as many repetitions as fit the time."""
    function()
    best, start = float("inf"), time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        before = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - before)
    return images / best


def compare(name: str, network: Network, model: nn.Module, count: int) -> str:
    """A line with both speeds; torch has the memory layout in which it is faster."""
    images = np.random.default_rng(1).integers(0, 256, (count, *network.input.shape), np.uint8)
    last = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    model.eval()
    with torch.inference_mode():
        theirs = max(images_per_second(partial(model, x), count) for x in (last, last.contiguous()))
    ours = images_per_second(partial(run, network, images), count)
    return f"{name:10} {ours:10.1f} {theirs:12.1f}   torch is {theirs / ours:.2f}x as fast"


def arguments() -> argparse.Namespace:
    """What to compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path, nargs="?", help="instead of networks with random weights")
    parser.add_argument("source", nargs="?", help="what it was made from: zoo:NAME or file.py:factory")
    parser.add_argument("--weights", type=Path, help="of the source, where compress was given them")
    parser.add_argument("--images", type=int, default=16, help="that go through a checkpoint together")
    found = parser.parse_args()
    if (found.checkpoint is None) != (found.source is None):
        parser.error("a checkpoint needs the source that it was made from")
    return found


def main() -> None:
    """Print one line a network."""
    given = arguments()
    one_core = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    if not one_core.items() <= os.environ.items():
        # BLAS reads these when NumPy is loaded, so start again with them.
        command = [sys.executable, "-m", "benchmarks.inference", *sys.argv[1:]]
        os.execve(sys.executable, command, os.environ | one_core)
    contenders = [("digits", *digits(), 512), ("resnet20", *resnet20(), 128)]
    if given.checkpoint is not None:
        network = checkpoint.load(given.checkpoint)
        height, width, channels = network.input.shape
        found = load_model(given.source, given.weights)
        model = FloatNetwork.of(found.model, (channels, height, width)).graph
        contenders = [(given.checkpoint.stem, network, model, given.images)]
    print(f"{'network':10} {'golden':>10} {'torch float':>12}   images/s on one core")
    for contender in contenders:
        print(compare(*contender))


if __name__ == "__main__":
    start(main)
