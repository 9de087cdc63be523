"""Memory and time of fitting shared codebooks to as many weights as ResNet-50 has, drawn at random.

python -m benchmarks.codebook_memory --iterations 2
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.command import start
from shiftbook.frontend.schemes import make, vectors
from shiftbook.frontend.schemes.base import Part
from shiftbook.golden.files import check_writable, write_json
from shiftbook.golden.spec import DEFAULT

STAGES = ((64, 64, 3), (256, 128, 4), (512, 256, 6), (1024, 512, 3))
"""Input channels, width and number of blocks of each stage; arXiv 1512.03385, table 1."""

EXPANSION = 4


def resnet50() -> Iterator[tuple[int, int, int]]:
    """Output channels, input channels and kernel of ResNet-50's inner layers."""
    for inputs, width, blocks in STAGES:
        outputs = EXPANSION * width
        yield outputs, inputs, 1  # the shortcut of the first block
        for block in range(blocks):
            yield width, outputs if block else inputs, 1
            yield width, width, 3
            yield outputs, width, 1


def parts(seed: int) -> Iterator[Part]:
    """Layers of normally distributed weights."""
    generator = torch.Generator().manual_seed(seed)
    for outputs, inputs, kernel in resnet50():
        weight = torch.randn(outputs, inputs, kernel, kernel, generator=generator)
        yield Part(weight=weight, mask=torch.ones(weight.shape, dtype=torch.bool), generator=generator)


def peak_bytes() -> int:
    """The most memory that this process has had."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Parse the command line, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--iterations", type=int, default=vectors.FIRST_ITERATIONS)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    check_writable(options.json)
    vectors.FIRST_ITERATIONS = options.iterations
    layers = list(parts(0))
    before, began = peak_bytes(), time.perf_counter()
    make("additive", DEFAULT).fit_all(layers)
    figures = {
        "weights": sum(layer.weight.numel() for layer in layers),
        "iterations": options.iterations,
        "bytes_before": before,
        "bytes": peak_bytes(),
        "seconds": round(time.perf_counter() - began, 1),
    }
    print(
        f"{figures['weights']:,} weights, {options.iterations} iterations, {figures['seconds']} s: "
        f"at most {figures['bytes'] / 1e9:.2f} GB, of which {before / 1e9:.2f} GB before"
    )
    write_json(options.json, figures)


if __name__ == "__main__":
    start(main)
