from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from golden.memory import TensorLayout
from golden.spec import Spec
from sim import bench
from tests.hw.small import ODD, SHIFT
from tests.hw.system.benches import ResidualBench

SPECS = {
    "4x4": SHIFT,
    "3x5": ODD,
    "parts of rows": replace(SHIFT, requantizers=2, group_channels=8),
    "whole block": replace(SHIFT, requantizers=16, bus_bytes=16, burst_beats=4, group_channels=2),
}

LAYERS = [((9, 11), 3, 2, 10), ((4, 4), 9, 0, 9), ((1, 1), 1, 0, 1), ((5, 13), 5, 1, 6), ((3, 2), 17, 3, 24)]
"""Size of the residual, its channels, and where among how many of the tensor they lie."""


def lanes(pixels: np.ndarray, spec: Spec) -> list[list[int | None]]:
    """For each tile and channel what each lane adds; None where it has no pixel."""
    height, width, channels = pixels.shape
    found = []
    for ty in range(0, height, spec.rows):
        for tx in range(0, width, spec.cols):
            for channel in range(channels):
                found.append(
                    [
                        int(pixels[y, x, channel]) if y < height and x < width else None
                        for y in range(ty, ty + spec.rows)
                        for x in range(tx, tx + spec.cols)
                    ]
                )
    return found


@pytest.mark.parametrize("pauses", bench.PAUSES)
@pytest.mark.parametrize("name", SPECS)
def test_residuals_come_in_the_order_of_the_drain(name: str, pauses: bench.Pauses) -> None:
    spec = SPECS[name]
    rng = np.random.default_rng(0)
    contents = bytes(7 * spec.bus_bytes)
    stimulus, expected, channels_of_tiles = [], [], 0
    for (height, width), channels, first, whole in LAYERS:
        layout = TensorLayout(height, width, whole, spec)
        pixels = rng.integers(0, 256, (height, width, whole), np.uint8)
        tiles = layout.blocks[0] * layout.blocks[1]
        stimulus.append(
            {
                "channels": channels,
                "tiles": tiles,
                "address": len(contents) // spec.bus_bytes + first,
                "block_step": layout.block_step,
                "beat_step": whole,
            }
        )
        contents += layout.pack(pixels).tobytes()
        channels_of_tiles += tiles * channels
        for channel in lanes(pixels[..., first : first + channels], spec):
            expected += [channel[i : i + spec.requantizers] for i in range(0, spec.lanes, spec.requantizers)]
    observed = bench.observe(
        ResidualBench(spec, contents),
        inputs={
            "layers": stimulus,
            "takes": [0] * channels_of_tiles,
            "ticks": [0] * (channels_of_tiles * spec.block_beats),
        },
        outputs={"residuals": len(expected)},
        pauses=pauses,
    )["residuals"]
    known = [
        [None if want is None else byte for byte, want in zip(beat, wanted, strict=True)]
        for beat, wanted in zip(observed, expected, strict=True)
    ]
    assert known == expected
