"""Whose beats come, in which order, and what checksums say of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from shiftbook.golden.isa.addresses import stream_count
from shiftbook.golden.isa.checksum import checksum
from shiftbook.golden.isa.registers import Region, address
from shiftbook.golden.isa.stream_registers import FIELD_BITS, StreamField
from shiftbook.golden.spec import DATA_WIDTH, Spec
from shiftbook.sim import bench
from tests.hw.small import ONE_PACE, SHIFT
from tests.hw.system.benches.stream_fetcher import FetcherBench

SPECS = {"coded": SHIFT, "dense": replace(SHIFT, lane="multiply", feed="dense", slots=4, bus_bytes=16)}
MEMORY = 1024
"""Beats."""

CYCLES = 10_000
"""More than it takes."""


@dataclass(frozen=True)
class Stream:
    """One stream of a layer: where it lies, in beats from the base, and how often it comes."""

    address: int
    beats: int
    kept: bool
    sound: bool
    passes: int

    def places(self, base: int) -> list[int]:
        """Addresses of all beats, in the order in which they come."""
        return self.passes * [base + self.address + beat for beat in range(self.beats)]


@dataclass(frozen=True)
class Layer:
    """Some layer; ``beats`` is where it is given up, or all of them."""

    base: int
    passes: int
    streams: list[Stream]
    beats: int


def make_layer(spec: Spec, rng: np.random.Generator, given_up: bool) -> Layer:
    """Streams of some length or none, some of which fit their buffer and are kept, some damaged."""
    base, passes = int(rng.integers(0, MEMORY // 2)), int(rng.integers(1, 5))
    streams = []
    for number in range(stream_count(spec)):
        kept = bool(rng.random() < 0.3)
        beats = 0 if rng.random() < 0.2 else int(rng.integers(1, spec.buffer_beats if kept else 60))
        place = int(rng.integers(0, MEMORY // 2 - 60))
        streams.append(Stream(place, beats, kept, bool(rng.random() < 0.7), 1 if kept else passes))
        if number == 0 and not beats:
            streams[0] = replace(streams[0], beats=5)
    total = sum(len(stream.places(base)) for stream in streams)
    return Layer(base, passes, streams, int(rng.integers(1, total)) if given_up else total)


def config(layer: Layer, contents: np.ndarray) -> list[dict[str, int]]:
    """What a program writes for a layer."""
    writes = []
    for number, stream in enumerate(layer.streams):
        first = layer.base + stream.address
        total = checksum(contents[first : first + stream.beats].reshape(-1))
        for field, value in (
            (StreamField.ADDRESS, stream.address),
            (StreamField.BEATS, stream.beats | stream.kept << DATA_WIDTH - 1),
            (StreamField.CHECKSUM, total if stream.sound else total ^ 1 << number),
        ):
            place = int(address(Region.STREAMS, number << FIELD_BITS | field))
            writes.append({"address": place, "data": value})
    return writes


@pytest.mark.parametrize("pauses", ONE_PACE)
@pytest.mark.parametrize("name", SPECS)
def test_streams_come_pass_after_pass(name: str, pauses: bench.Pauses) -> None:
    spec = SPECS[name]
    rng = np.random.default_rng(0)
    contents = rng.integers(0, 1 << 32, (MEMORY, spec.bus_bytes // 4), np.uint32)
    layers = [make_layer(spec, rng, given_up) for given_up in (False, True, False, True, False)]
    writes = [config(layer, contents) for layer in layers]
    beats = sum(layer.beats for layer in layers)
    observed = bench.observe(
        FetcherBench(spec, contents.tobytes()),
        inputs={
            "config": [write for part in writes for write in part],
            "layers": [
                {"writes": len(part), "base": layer.base, "passes": layer.passes, "beats": layer.beats}
                for layer, part in zip(layers, writes, strict=True)
            ],
            "rooms": [
                {"streams": int(mask), "sparing": int(rng.random() < 0.3)}
                for mask in rng.integers(0, 1 << stream_count(spec), CYCLES)
            ],
            "ticks": [0] * CYCLES,
        },
        outputs={"given": beats},
        pauses=pauses,
    )["given"]
    assert not any(item["wrong"] for item in observed)
    for layer in layers:
        given, observed = observed[: layer.beats], observed[layer.beats :]
        assert all(item["streams"].bit_count() == 1 for item in given)
        for number, stream in enumerate(layer.streams):
            mine = [item for item in given if item["streams"] == 1 << number]
            places = stream.places(layer.base)
            assert len(mine) <= len(places)  # all of them, unless the layer is given up: `beats` are observed
            for order, (item, place) in enumerate(zip(mine, places, strict=False), start=1):
                assert item["data"] == int.from_bytes(contents[place].tobytes(), "little")
                ends = order % stream.beats == 0
                assert (item["last"], item["damaged"]) == (ends, ends and not stream.sound)


BLOCK = 32
"""Words of 128 bytes."""

LENGTH = 8 * BLOCK
"""Words of a stream that is damaged."""


def exchanged(words: np.ndarray) -> None:
    """Two blocks change places."""
    words.reshape(-1, BLOCK)[[2, 5]] = words.reshape(-1, BLOCK)[[5, 2]]


def flipped_twice(words: np.ndarray) -> None:
    """The same bit, 128 bytes apart."""
    words[[77, 77 + BLOCK]] ^= np.uint32(1 << 19)


def doubled(words: np.ndarray) -> None:
    """A block comes twice, and all behind it later."""
    words[3 * BLOCK :] = words[2 * BLOCK : -BLOCK].copy()


def intact(words: np.ndarray) -> None:
    """Nothing happens."""


DAMAGES = (exchanged, intact, flipped_twice, intact, doubled)


@pytest.mark.parametrize("name", SPECS)
def test_damage_that_lies_128_bytes_apart_is_seen(name: str) -> None:
    spec = SPECS[name]
    contents = np.random.default_rng(1).integers(0, 1 << 32, (MEMORY, spec.bus_bytes // 4), np.uint32)
    beats = LENGTH * 4 // spec.bus_bytes
    streams = [Stream(number * beats, beats, False, True, 1) for number in range(len(DAMAGES))]
    writes = config(Layer(0, 1, streams, len(streams) * beats), contents)
    for stream, damage in zip(streams, DAMAGES, strict=True):
        damage(contents[stream.address :][:beats].reshape(-1))
    observed = bench.observe(
        FetcherBench(spec, contents.tobytes()),
        inputs={
            "config": writes,
            "layers": [{"writes": len(writes), "base": 0, "passes": 1, "beats": len(streams) * beats}],
            "rooms": [{"streams": (1 << stream_count(spec)) - 1, "sparing": 0}] * CYCLES,
            "ticks": [0] * CYCLES,
        },
        outputs={"given": len(streams) * beats},
    )["given"]
    for number, damage in enumerate(DAMAGES):
        mine = [item["damaged"] for item in observed if item["streams"] == 1 << number]
        assert mine == [0] * (beats - 1) + [int(damage is not intact)]
