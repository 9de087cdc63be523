from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shiftbook.golden.mapping.memory import TensorLayout
from shiftbook.golden.spec import PARTIAL_BYTES, Spec
from shiftbook.sim import bench
from tests.hw.small import ODD, ONE_PACE, PACES, SHIFT
from tests.hw.system.benches.residual_reader import ResidualBench

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


@pytest.mark.parametrize("pauses", PACES)
@pytest.mark.parametrize("name", SPECS)
def test_residuals_come_in_the_order_of_the_drain(name: str, pauses: bench.Pauses) -> None:
    spec = SPECS[name]
    stimulus, contents, expected, channels_of_tiles = layers(spec, 1)
    observed = observe(spec, stimulus, contents, channels_of_tiles, len(expected), pauses)
    residuals = [beat["residual"] for beat in observed]
    assert where_known(residuals, expected) == expected
    assert not any(any(beat["partial"]) for beat in observed)


@pytest.mark.parametrize("pauses", ONE_PACE)
@pytest.mark.parametrize(
    ("name", "rounds"),
    [("4x4", 1), ("3x5", PARTIAL_BYTES), ("parts of rows", PARTIAL_BYTES), ("whole block", 1)],
)
def test_partial_sums_come_with_their_residuals(name: str, rounds: int, pauses: bench.Pauses) -> None:
    spec = SPECS[name]
    stimulus, contents, planes, channels_of_tiles = layers(spec, PARTIAL_BYTES)
    for layer in stimulus:
        layer |= {"partial_in": 1, "rounds": int(rounds > 1)}
    of_each = np.array(planes, object).reshape(-1, PARTIAL_BYTES, spec.drain_cycles, spec.requantizers)
    expected = np.repeat(np.moveaxis(of_each, 1, -1), rounds, axis=0).reshape(
        -1, spec.requantizers, PARTIAL_BYTES
    )
    # channels are repeated whole: all beats, then all beats again
    observed = observe(spec, stimulus, contents, channels_of_tiles, len(expected), pauses)
    found = [
        [
            [*value.to_bytes(3, "little"), residual]
            for value, residual in zip(beat["partial"], beat["residual"], strict=True)
        ]
        for beat in observed
    ]
    known = np.where(expected == None, None, np.array(found, object))  # noqa: E711 (elementwise)
    assert known.tolist() == expected.tolist()


def layers(spec: Spec, each: int) -> tuple[list[dict[str, int]], bytes, list[list[int | None]], int]:
    """Stimulus, memory, beats of all channels, and how many output channels, each of so many channels."""
    rng = np.random.default_rng(0)
    contents = bytes(7 * spec.bus_bytes)
    stimulus, expected, channels_of_tiles = [], [], 0
    for (height, width), outputs, first, whole in LAYERS:
        channels, whole = each * outputs, each * whole
        layout = TensorLayout(height, width, whole, spec)
        pixels = rng.integers(0, 256, (height, width, whole), np.uint8)
        tiles = layout.blocks[0] * layout.blocks[1]
        stimulus.append(
            {
                "channels": outputs,
                "tiles": tiles,
                "address": len(contents) // spec.bus_bytes + first,
                "block_step": layout.block_step,
                "beat_step": whole,
                "partial_in": 0,
                "rounds": 0,
            }
        )
        contents += layout.pack(pixels).tobytes()
        channels_of_tiles += tiles * outputs
        for channel in lanes(pixels[..., first : first + channels], spec):
            expected += [channel[i : i + spec.requantizers] for i in range(0, spec.lanes, spec.requantizers)]
    return stimulus, contents, expected, channels_of_tiles


def observe(
    spec: Spec,
    stimulus: list[dict[str, int]],
    contents: bytes,
    channels: int,
    beats: int,
    pauses: bench.Pauses,
) -> list[dict[str, list[int]]]:
    each = PARTIAL_BYTES if stimulus[0]["partial_in"] else 1
    return bench.observe(
        ResidualBench(spec, contents),
        inputs={
            "layers": stimulus,
            "takes": [0] * channels,
            "ticks": [0] * (each * channels * spec.block_beats),
        },
        outputs={"residuals": beats},
        pauses=pauses,
    )["residuals"]


def where_known(observed: list[list[int]], expected: list[list[int | None]]) -> list[list[int | None]]:
    """None where the lane has no pixel."""
    return [
        [None if want is None else byte for byte, want in zip(beat, wanted, strict=True)]
        for beat, wanted in zip(observed, expected, strict=True)
    ]
