"""The test bench that leaves with the Verilog: it runs without this package, so its data must say it all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from shiftbook.golden.model import executor
from shiftbook.golden.model.network import Network
from shiftbook.golden.program.image import Image

FOLDER = Path(__file__).parent

FIXED = ("Makefile", "bench.py")
"""Files in it, the same for all networks."""

PIXELS, INDEX, VALUES = "pixels.bin", "expected.json", "expected.bin"
"""The files that tell of one network: raw pixels, names of tensors, and their values one after another."""

FILES = (*FIXED, PIXELS, INDEX, VALUES)
"""Of a bench."""

SEED = 1
"""Of the pixels."""

MARGIN = 10
"""How many times the cycles of the cycle model a run may take before it counts as hung."""

LEAST = 200_000
"""And no fewer cycles: the watchdog bites before."""


def bench_files(network: Network, image: Image) -> dict[str, bytes]:
    """Files of the bench by their names.

    It runs a batch of images of random pixels, which reach every value that an activation can have.

    Parameters
    ----------
    network
        What ``image`` was built from.
    image
        Where its tensors are.
    """
    pixels = np.random.default_rng(SEED).integers(0, 256, (image.plan.batch, *network.input.shape), np.uint8)
    found = executor.run(network, pixels, keep=True).tensors
    cycles = sum(cost.cycles for cost in image.costs())
    described = {"tensors": list(found), "cycles_at_most": max(LEAST, MARGIN * cycles)}
    return {
        **{name: (FOLDER / name).read_bytes() for name in FIXED},
        PIXELS: pixels.tobytes(),
        INDEX: (json.dumps(described, indent=1) + "\n").encode(),
        VALUES: b"".join(tensor.tobytes() for tensor in found.values()),
    }
