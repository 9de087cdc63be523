import numpy as np
import pytest

from shiftbook.golden.mapping.tiles import address_bits, capacity
from shiftbook.golden.spec import Spec
from shiftbook.hw.engine.tile import Tile
from shiftbook.sim import bench
from tests.hw.benches import Paced
from tests.hw.small import ODD, ONE_PACE, SHIFT

Item = dict[str, object]

RINGS = [*((ring, 0) for ring in range(4)), *((ring, half) for ring in range(1, 5) for half in (2, 3))]
"""Bits of the ring, and which half of it is read."""

MODES = [(halo, phased, *ring) for halo in (0, 1) for phased in (0, 1) for ring in RINGS]
"""Whether there are halo rows and phases, and the ring."""

Mode = tuple[int, int, int, int]


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


def random_write(rng: np.random.Generator, mode: Mode, banks: np.ndarray, spec: Spec) -> Item:
    """A write to some rows and columns, each with a word of its own; ``banks`` are changed."""
    enable = int(rng.random() < 0.8)
    channel = int(rng.integers(0, capacity(bool(mode[0]), bool(mode[1]), mode[2], spec)))
    plane = rng.integers(0, 256, (spec.rows, spec.cols))
    rows = [
        dict(zip(("enable", "far", "phase"), rng.integers(0, 2, 3).tolist(), strict=True)) for _ in banks[0]
    ]
    columns = [
        {
            "enable": int(rng.random() < 0.8),
            "column": int(rng.integers(0, 16)),
            "phase": int(rng.integers(0, 2)),
        }
        for _ in banks[0][0]
    ]
    for r, c in np.ndindex(spec.rows, spec.cols):
        row, col = rows[r], columns[c]
        if enable and row["enable"] and col["enable"]:
            word = channel, row["far"], col["column"], row["phase"], col["phase"]
            banks[address(mode, word, spec), r, c] = plane[r, c]
    write = {"slots": int(rng.integers(0, 1 << spec.slots)), "channel": channel}
    return {
        "enable": enable,
        "write": {**write, "rows": rows, "columns": columns, "plane": plane.ravel().tolist()},
    }


def random_read(
    rng: np.random.Generator, mode: Mode, banks: np.ndarray, spec: Spec
) -> tuple[Item, list[int]]:
    """A read, and what each bank must give."""
    channel = int(rng.integers(0, capacity(bool(mode[0]), bool(mode[1]), mode[2], spec)))
    oy, ox = int(rng.integers(0, spec.rows)), int(rng.integers(0, spec.cols))
    far, first, phase_y, phase_x = (int(rng.integers(0, most)) for most in (2, 8, 2, 2))
    expected = []
    for r, c in np.ndindex(spec.rows, spec.cols):
        column = (first + (c < ox)) % 8
        place = 2 * column + mode[3] % 2 if mode[3] else column
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


@pytest.mark.parametrize("pauses", ONE_PACE)
@pytest.mark.parametrize("spec", [SHIFT, ODD], ids=["4x4", "3x5"])
def test_words_of_every_kind_of_layer(spec: Spec, pauses: bench.Pauses) -> None:
    rng = np.random.default_rng(0)
    every = {"enable": 1, "far": 0, "phase": 0}, {"enable": 1, "column": 0, "phase": 0}
    banks = rng.integers(0, 256, (spec.tile_words, spec.rows, spec.cols))
    rest = {"slots": 0, "rows": [every[0]] * spec.rows, "columns": [every[1]] * spec.cols}
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
    stimulus: list[Item] = [
        {"enable": 1, "write": {**rest, "channel": word, "plane": plane.ravel().tolist()}}
        for word, plane in enumerate(banks)
    ]
    expected: list[list[int] | None] = [None] * len(stimulus)
    for mode in MODES:
        kind = {"ring": (1 << mode[2]) - 1, "halo_rows": mode[0], "phased": mode[1], "half": mode[3]}
        for _ in range(20):
            stimulus.append({"write_addressing": kind, **random_write(rng, mode, banks, spec)})
            expected.append(None)
            item, planes = random_read(rng, mode, banks, spec)
            stimulus.append({"addressing": kind, **item})
            expected.append(planes)
    observed = bench.observe(
        Paced(Tile(spec), {"pixels": 1}),
        inputs={"input": [blank | item for item in stimulus]},
        outputs={"output": len(stimulus)},
        pauses=pauses,
    )["output"]
    found = [item["pixels"] for item, want in zip(observed, expected, strict=True) if want is not None]
    assert found == [want for want in expected if want is not None]
