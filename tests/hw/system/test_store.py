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
                found += cut_up(start, min(spec.group_channels, channels - group), spec)
    return found


def cut_up(start: int, left: int, spec: Spec) -> list[tuple[int, int]]:
    """Address and length of the bursts of so many beats."""
    found = []
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
                "row_step": layout.block_step,
                "tile_cols": layout.blocks[1],
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


INTERLEAVED = {
    "4x4": SHIFT,
    "beats of a row": replace(SHIFT, rows=6, cols=8, requantizers=8),
    "whole block": SPECS["whole block"],
    "wide beats": replace(SHIFT, bus_bytes=32, requantizers=2),
    "narrow rows": replace(SHIFT, rows=4, cols=6, requantizers=6),
}
"""Beats of two rows, of one, of all, of more than there are; rows that are padded."""

WHOLE = [
    ((9, 11), 3, 2, 10, 0b0001),
    ((8, 9), 9, 0, 9, 0b1111),
    ((2, 2), 5, 1, 6, 0b1000),
    ((5, 4), 2, 0, 3, 0b0110),
]
"""Size of the interleaved tensor, channels, where among how many, and the phases that are written."""


@pytest.mark.parametrize("name", INTERLEAVED)
def test_every_second_pixel_is_stored(name: str) -> None:
    """Blocks are written at the phases' pixels, and nothing else of the tensor is."""
    spec = INTERLEAVED[name]
    assert spec.interleaves
    rng = np.random.default_rng(1)
    inputs: dict[str, list[object]] = {"layers": [], "outputs": []}
    expected, expected_bursts, address = {}, [], 16
    for (height, width), channels, first, whole, phases in WHOLE:
        layout = TensorLayout(height, width, whole, spec)
        tiles = -(-height // (2 * spec.rows)), -(-width // (2 * spec.cols))
        lanes = rng.integers(0, 256, (*tiles, channels, spec.rows, spec.cols), np.uint8)
        inputs["outputs"] += [
            [int.from_bytes(bytes(beat), "little") for beat in plane.reshape(-1, spec.requantizers)]
            for plane in lanes.reshape(-1, spec.lanes)
        ]
        inputs["layers"].append(
            {
                "channels": channels,
                "tiles": tiles[0] * tiles[1],
                "address": address + first,
                "block_step": layout.block_step,
                "beat_step": whole,
                "row_step": 2 * (layout.row_step - (tiles[1] - 1) * layout.block_step),
                "skip": layout.row_step - layout.block_step + whole,
                "phases": phases,
                "cut": int(2 * tiles[1] > layout.blocks[1]),
                "tile_cols": tiles[1],
            }
        )
        expected_bursts += bursts_of_four(address + first, channels, tiles, layout)
        expected[address] = layout, *interleaved(lanes, (height, width), first, whole, phases)
        address += layout.beats + layout.row_step  # a tile's lower blocks may lie behind the last row
    observed = bench.observe(
        StoreBench(spec),
        inputs={**inputs, "acks": [0] * len(expected_bursts)},
        outputs={
            "write_address": len(expected_bursts),
            "write_data": sum(length for _, length in expected_bursts),
            "over": len(WHOLE),
        },
        pauses=bench.PAUSES[3],
    )
    assert [
        (item["address"], item["more_beats"] + 1) for item in observed["write_address"]
    ] == expected_bursts
    assert not any(item["wrong"] for item in observed["over"])
    strobes = np.array(
        [[item["strb"] >> n & 1 for n in range(spec.bus_bytes)] for item in observed["write_data"]]
    )
    data = np.array(
        [list(item["data"].to_bytes(spec.bus_bytes, "little")) for item in observed["write_data"]]
    )
    noise = rng.integers(0, 256, (address, spec.bus_bytes), np.uint8)
    memory = noise.copy()
    for number, at in enumerate(start + n for start, length in expected_bursts for n in range(length)):
        memory[at] = np.where(strobes[number], data[number], memory[at])
    for start, (layout, wanted, there) in expected.items():
        got, was = (layout.unpack(each[start : start + layout.beats].ravel()) for each in (memory, noise))
        assert (got == np.where(there, wanted, was)).all()


def bursts_of_four(
    address: int, channels: int, tiles: tuple[int, int], layout: TensorLayout
) -> list[tuple[int, int]]:
    """Tile by tile, group by group, the left blocks and then the right ones, from above."""
    spec, found = layout.spec, []
    for y, x in np.ndindex(tiles):
        for group in range(0, channels, spec.group_channels):
            for right, below, beat in np.ndindex(2, 2, spec.block_beats):
                if 2 * x + right < layout.blocks[1]:
                    start = address + (2 * y + below) * layout.row_step + (2 * x + right) * layout.block_step
                    left = min(spec.group_channels, channels - group)
                    found += cut_up(start + beat * layout.channels + group, left, spec)
    return found


def interleaved(
    lanes: np.ndarray, size: tuple[int, int], first: int, whole: int, phases: int
) -> tuple[np.ndarray, np.ndarray]:
    """The tensor [*size, whole] that lanes [tile rows, tile columns, O, R, C] make, and where they do."""
    pixels = np.concatenate(np.concatenate(lanes.transpose(0, 1, 3, 4, 2), 1), 1)
    wanted, there = np.zeros((*size, whole), np.uint8), np.zeros((*size, whole), bool)
    for number in range(4):
        if phases >> number & 1:
            dy, dx = divmod(number, 2)
            target = wanted[dy::2, dx::2, first : first + lanes.shape[2]]
            target[:] = pixels[: target.shape[0], : target.shape[1]]
            there[dy::2, dx::2, first : first + lanes.shape[2]] = True
    return wanted, there
