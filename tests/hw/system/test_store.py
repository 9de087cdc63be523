from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shiftbook.golden.mapping.memory import TensorLayout
from shiftbook.golden.spec import PARTIAL_BYTES, Spec
from shiftbook.hw.system.interfaces import Response
from shiftbook.sim import bench
from tests.hw.small import ODD, ONE_PACE, PACES, SHIFT
from tests.hw.system.benches.store import StoreBench

SPECS = {
    "4x4": SHIFT,
    "3x5": ODD,
    "parts of rows": replace(SHIFT, requantizers=2, group_channels=8),
    "whole block": replace(SHIFT, requantizers=16, bus_bytes=16, burst_beats=4, group_channels=2),
}

Layer = tuple[tuple[int, int], int, int, int]

LAYERS: list[Layer] = [
    ((9, 11), 3, 2, 10),
    ((4, 4), 9, 0, 9),
    ((1, 1), 1, 0, 1),
    ((5, 13), 5, 1, 6),
    ((3, 2), 17, 3, 24),
]
"""Size of the output, its channels, and where among how many of the tensor they lie."""


def blocks(layout: TensorLayout) -> list[tuple[int, int]]:
    return list(np.ndindex(layout.blocks))


def bursts(address: int, layer: Layer, spec: Spec) -> list[tuple[int, int]]:
    """Address and length of every burst: block by block, group by group, beat by beat of the block."""
    (height, width), channels, first, whole = layer
    layout = TensorLayout(height, width, whole, spec)
    found = []
    for block in range(len(blocks(layout))):
        for group in range(0, channels, spec.group_channels):
            for beat in range(spec.block_beats):
                start = address + block * layout.block_step + beat * whole + first + group
                left = min(spec.group_channels, channels - group)
                while left:
                    length = min(left, spec.burst_beats - start % spec.burst_beats)
                    found.append((start, length))
                    start, left = start + length, left - length
    return found


PARTIAL_LAYERS: list[Layer] = [((9, 11), 12, 8, 40), ((4, 4), 36, 0, 36), ((5, 2), 4, 4, 24)]
"""As above, in channels in memory: the bytes of partial sums."""


@pytest.mark.parametrize("pauses", PACES)
@pytest.mark.parametrize("name", SPECS)
def test_outputs_land_in_their_places(name: str, pauses: bench.Pauses) -> None:
    land(SPECS[name], LAYERS, 1, pauses)


@pytest.mark.parametrize("pauses", ONE_PACE)
@pytest.mark.parametrize("name", SPECS)
def test_partial_sums_land_in_their_places(name: str, pauses: bench.Pauses) -> None:
    land(SPECS[name], PARTIAL_LAYERS, PARTIAL_BYTES, pauses)


def test_beats_are_written_with_their_parity() -> None:
    land(replace(SHIFT, bus_parity=True), LAYERS, 1, bench.PAUSES[3])


def land(spec: Spec, layers: list[Layer], each: int, pauses: bench.Pauses) -> None:
    """All beats of layers whose output channels are ``each`` channels in memory are where they belong."""
    rng = np.random.default_rng(0)
    inputs: dict[str, list[object]] = {"layers": [], "outputs": []}
    expected_bursts, expected_over = [], []
    memory: dict[int, tuple[bytes, bytes]] = {}  # content and mask of each beat
    address = 13
    for layer in layers:
        (height, width), channels, first, whole = layer
        layout = TensorLayout(height, width, whole, spec)
        lanes = rng.integers(0, 256, (len(blocks(layout)), channels, spec.rows, spec.cols), np.uint8)
        inputs["outputs"] += [
            [int.from_bytes(bytes(beat), "little") for beat in plane.reshape(-1, spec.requantizers)]
            for plane in lanes.reshape(-1, spec.lanes)
        ]
        inputs["layers"].append(
            {
                "channels": channels // each,
                "partial": int(each > 1),
                "tiles": len(lanes),
                "address": address + first,
                "block_step": layout.block_step,
                "beat_step": whole,
            }
        )
        pixels, there = np.zeros((2, height, width, whole), np.uint8)
        there[..., first : first + channels] = 255
        for (y, x), block in zip(blocks(layout), lanes, strict=True):
            place = pixels[y * spec.rows :, x * spec.cols :][
                : spec.rows, : spec.cols, first : first + channels
            ]
            place[:] = block.transpose(1, 2, 0)[: place.shape[0], : place.shape[1]]
        contents, masks = (layout.pack(each).reshape(-1, spec.bus_bytes) for each in (pixels, there))
        for beat in range(layout.beats):
            if first <= beat % whole < first + channels:
                memory[address + beat] = bytes(contents[beat]), bytes(masks[beat])
        expected_bursts += bursts(address, layer, spec)
        beats = sum(length for _, length in bursts(address, layer, spec))
        expected_over.append({"sent": beats, "beats": beats, "wrong": 0})
        address += layout.beats
    acks = rng.choice([0, 0, 0, Response.SLVERR, Response.DECERR], len(expected_bursts)).tolist()
    observed = bench.observe(
        StoreBench(spec),
        inputs={**inputs, "acks": acks},
        outputs={
            "write_address": len(expected_bursts),
            "write_data": len(memory),
            "over": len(expected_over),
        },
        pauses=pauses,
    )
    found = [(item["address"], item["more_beats"] + 1) for item in observed["write_address"]]
    assert found == expected_bursts
    assert observed["over"] == expected_over
    ends = [number == length for _, length in found for number in range(1, length + 1)]
    assert [bool(item["last"]) for item in observed["write_data"]] == ends
    if spec.bus_parity:
        for item in observed["write_data"]:
            sent = item["data"].to_bytes(spec.bus_bytes, "little")
            assert all((byte.bit_count() + (item["datachk"] >> n)) % 2 for n, byte in enumerate(sent))
    addresses = [start + number for start, length in found for number in range(length)]
    written = {
        at: item["data"].to_bytes(spec.bus_bytes, "little")
        for at, item in zip(addresses, observed["write_data"], strict=True)
    }
    assert {
        at: bytes(a & b for a, b in zip(beat, memory[at][1], strict=True)) for at, beat in written.items()
    } == {at: content for at, (content, _) in memory.items()}
