from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from shiftbook.golden.mapping.tiles import address_bits, capacity, half
from shiftbook.golden.spec import Spec
from shiftbook.hw.engine.layouts import column_groups
from shiftbook.hw.engine.tile import Tile
from shiftbook.sim import bench
from tests.hw.benches import Paced
from tests.hw.small import ODD, ONE_PACE, SHIFT

WIDE = replace(SHIFT, rows=2, cols=16, requantizers=16, bus_bytes=16, tile_words=64)
"""Groups of four columns, two in each half, and the smallest banks."""

NARROW = replace(WIDE, cols=3, requantizers=3)
"""A group of two columns, and a column that is alone."""

Item = dict[str, object]

Mode = tuple[int, int, int, int]
"""Whether there are halo rows, whether phases, bits of the ring, and which half of it is used: 0 for all."""

WHOLE = [(halo, phased, ring, 0) for halo in (0, 1) for phased in (0, 1) for ring in range(4)]
"""Layers that have all banks."""

HALVES = [
    [(halo, phases[half - 2], ring, half) for halo in (0, 1) for ring in range(1, 5) for half in (2, 3)]
    for phases in product((0, 1), repeat=2)
]
"""Layers that have a half each: those of the first half have phases or have not, and so have the others."""


def address(mode: Mode, word: tuple[int, int, int, int, int], spec: Spec) -> int:
    """Where (channel, far, place in the ring, vertical phase, horizontal phase) is in a bank."""
    halo, phased, ring, _ = mode
    channel, far, column, phase_y, phase_x = word
    places = address_bits(bool(halo), bool(phased), ring)
    parts = {places.row: far, places.phase_y: phase_y, places.phase_x: phase_x}
    parts |= {place: column >> number & 1 for number, place in enumerate(places.columns)}
    return channel + sum(
        bit << spec.address_width - 1 - place for place, bit in parts.items() if place is not None
    )


def room(mode: Mode, spec: Spec) -> int:
    """Channels that fit a bank."""
    return capacity(bool(mode[0]), bool(mode[1]), mode[2], spec)


def in_half(place: int, mode: Mode) -> int:
    """The place in the ring that is next to this one and in the layer's half."""
    return place & ~1 | mode[3] & 1 if mode[3] else place


def random_write(rng: np.random.Generator, mode: Mode, banks: np.ndarray, spec: Spec) -> Item:
    """A write to some rows and halves of the columns, each with a word of its own; ``banks`` are changed."""
    enable = int(rng.random() < 0.8)
    channel = int(rng.integers(0, room(mode, spec)))
    plane = rng.integers(0, 256, (spec.rows, spec.cols))
    rows = [
        dict(zip(("enable", "far", "phase"), rng.integers(0, 2, 3).tolist(), strict=True)) for _ in banks[0]
    ]
    halves = [
        {
            "enable": int(rng.random() < 0.8),
            "column": in_half(int(rng.integers(0, 16)), mode),
            "phase": int(rng.integers(0, 2)),
        }
        for _ in range(2)
    ]
    for r, c in np.ndindex(spec.rows, spec.cols):
        row, col = rows[r], halves[c >= half(spec.cols)]
        if enable and row["enable"] and col["enable"]:
            word = channel, row["far"], col["column"], row["phase"], col["phase"]
            banks[address(mode, word, spec), r, c] = plane[r, c]
    write = {"slots": int(rng.integers(0, 1 << spec.slots)), "channel": channel}
    return {
        "enable": enable,
        "write": {**write, "rows": rows, "halves": halves, "plane": plane.ravel().tolist()},
    }


def random_read(
    rng: np.random.Generator, mode: Mode, banks: np.ndarray, spec: Spec
) -> tuple[Item, list[int]]:
    """A read, and what each bank must give."""
    channel = int(rng.integers(0, room(mode, spec)))
    oy, ox = int(rng.integers(0, spec.rows)), int(rng.integers(0, spec.cols))
    far, first, phase_y, phase_x = (int(rng.integers(0, most)) for most in (2, 8, 2, 2))
    expected = []
    for r, c in np.ndindex(spec.rows, spec.cols):
        column = (first + (c < ox)) % 8
        place = in_half(2 * column, mode) if mode[3] else column
        word = channel, far ^ (r < oy), place, phase_y, phase_x
        expected.append(int(banks[address(mode, word, spec), r, c]))
    item = {
        "read": 1,
        "address": address(mode, (channel, 0, 0, phase_y, phase_x), spec),
        "offset": {"oy": oy, "ox": ox},
        "far": far,
        "first_column": first,
    }
    return item, expected


def kind(mode: Mode, ring: int | None = None) -> Item:
    """A layer's addressing; of all words as if they were channels with a ring of 0 bits."""
    bits = mode[2] if ring is None else ring
    return {"ring": (1 << bits) - 1, "halo_rows": mode[0], "phased": mode[1], "half": mode[3]}


def pixels(words: Item, spec: Spec) -> list[int]:
    """Of each bank, from what the tile read."""
    return [
        words["odd" if words["choice"] >> bank % spec.cols & 1 else "even"][bank]
        for bank in range(spec.lanes)
    ]


@pytest.mark.parametrize("cols", range(2, 33))
def test_groups_are_parts_of_halves(cols: int) -> None:
    bus_bytes = max(8, 1 << (cols - 1).bit_length())
    groups = column_groups(replace(SHIFT, cols=cols, requantizers=cols, bus_bytes=bus_bytes))
    assert [col for half in groups for group in half for col in group] == list(range(cols))
    for columns, parts in zip((half(cols), cols // 2), groups, strict=True):
        sizes = [len(part) for part in parts]
        assert sum(sizes) == columns
        assert len(sizes) == -(-columns // 4)
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("pauses", ONE_PACE)
@pytest.mark.parametrize("spec", [SHIFT, ODD, WIDE, NARROW], ids=["4x4", "3x5", "2x16", "2x3"])
def test_words_of_every_kind_of_layer(spec: Spec, pauses: bench.Pauses) -> None:
    rng = np.random.default_rng(0)
    every = {"enable": 1, "far": 0, "phase": 0}, {"enable": 1, "column": 0, "phase": 0}
    banks = rng.integers(0, 256, (spec.tile_words, spec.rows, spec.cols))
    rest = {"slots": 0, "rows": [every[0]] * spec.rows, "halves": [every[1]] * 2}
    nothing = {"slots": 0, "channel": 0, "plane": [0] * spec.lanes}
    blank = {
        "addressing": {"ring": 0, "halo_rows": 0, "phased": 0, "half": 0},
        "write_addressing": {"ring": 0, "halo_rows": 0, "phased": 0, "half": 0},
        "enable": 0,
        "write": {**rest, **nothing},
        "read": 0,
        "address": 0,
        "offset": {"oy": 0, "ox": 0},
        "far": 0,
        "first_column": 0,
    }
    stimulus: list[Item] = []
    expected: list[list[int] | None] = []
    for modes in (WHOLE, *HALVES):
        for word, plane in enumerate(banks):  # the last mode is of the second half
            mode = modes[-1 if 2 * word >= spec.tile_words else 0]
            write = {**rest, "channel": word, "plane": plane.ravel().tolist()}
            stimulus.append({"enable": 1, "write_addressing": kind(mode, ring=0), "write": write})
            expected.append(None)
        fitting = [mode for mode in modes if room(mode, spec)]
        for mode in rng.permutation(np.repeat(fitting, 20, axis=0)).tolist():
            stimulus.append({"write_addressing": kind(mode), **random_write(rng, mode, banks, spec)})
            expected.append(None)
            item, planes = random_read(rng, mode, banks, spec)
            stimulus.append({"addressing": kind(mode), **item})
            expected.append(planes)
    observed = bench.observe(
        Paced(Tile(spec), {"words": 1}),
        inputs={"input": [blank | item for item in stimulus]},
        outputs={"output": len(stimulus)},
        pauses=pauses,
    )["output"]
    found = [pixels(item["words"], spec) for item, want in zip(observed, expected, strict=True) if want]
    assert found == [want for want in expected if want is not None]
