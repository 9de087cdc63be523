"""How fast weight streams are decoded, in millions of weights a second: `python -m benchmarks.decode`.

The goal is 2 on one core, for sparse and for dense layers.
"""

from __future__ import annotations

import time

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.command import start
from shiftbook.golden.coding import items, streams
from shiftbook.golden.model.weights import Weights
from shiftbook.golden.spec import DEFAULT

GOAL = 2.0
SLOTS = 4
REPEATS = 5
FOCUSED = np.array([s * (16 + d) for s in (-1, 1) for d in (-8, -4, -2, -1, 0, 1, 2, 4, 8)], np.int16)
LAYERS = (
    ("focused", (64, 3, 3, 64), 0.1),
    ("focused", (64, 3, 3, 64), 0.2),
    ("focused", (512, 3, 3, 512), 0.2),
    ("focused", (512, 3, 3, 512), 0.5),
    ("focused", (512, 3, 3, 512), 1.0),
    ("int8", (512, 3, 3, 512), 1.0),
)


def layer(scheme: str, shape: tuple[int, int, int, int], density: float) -> Weights:
    """Weights distributed like those of a trained layer."""
    rng = np.random.default_rng(0)
    if scheme == "int8":
        integers = np.clip(np.round(rng.normal(0, 25, shape)), -127, 127).astype(np.int16)
    else:
        codebook = np.sort(FOCUSED)
        size = np.clip(np.round(rng.laplace(0, 3, shape)), -8, 8)
        integers = codebook[np.searchsorted(codebook, rng.choice((-1, 1), shape) * (16 + size))]
    integers[rng.random(shape) >= density] = 0
    used = np.unique(integers[integers != 0])
    return streams.choose_gapless(Weights(integers, used, scheme, False), SLOTS, DEFAULT)


def seconds(weights: Weights) -> float:
    """Least processor time of several decodings, each checked; other work on the machine does not count."""
    coded = streams.encode(weights, SLOTS, DEFAULT)
    placement = items.placement_of(weights, SLOTS, DEFAULT)
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        integers = streams.decode(coded, weights.integers.shape, weights.codebook, placement, DEFAULT)
        times.append(time.process_time() - start)
        if not np.array_equal(integers, weights.integers):
            raise AssertionError("decoded weights differ")
    return min(times)


def main() -> None:
    """Print the table."""
    table = Table("scheme", "shape", "density", "coding", "bits/weight", "Mweights/s", "of goal")
    for scheme, shape, density in LAYERS:
        weights = layer(scheme, shape, density)
        coded = streams.encode(weights, SLOTS, DEFAULT)
        speed = weights.integers.size / seconds(weights) / 1e6
        table.add_row(
            scheme,
            "x".join(map(str, shape)),
            f"{density:.0%}",
            "gapless" if weights.gapless else "gaps",
            f"{(coded.gap_bits + coded.code_bits) / weights.integers.size:.2f}",
            f"{speed:.1f}",
            f"{speed / GOAL:.1f}x",
        )
    Console().print(table)


if __name__ == "__main__":
    start(main)
