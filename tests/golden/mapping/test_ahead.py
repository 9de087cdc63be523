"""What a column of the input needs of the layer before, against every beat that is written and read."""

from __future__ import annotations

from itertools import product

import pytest

from shiftbook.golden.mapping.ahead import EVERYTHING, ahead, bursts
from shiftbook.golden.mapping.course.blocks import stored_beats
from shiftbook.golden.mapping.course.loader import columns
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.mapping.passes import plan
from shiftbook.golden.spec import PARTIAL_BYTES, Spec
from tests.sim.networks import SPECS, doubled, everything, filling, joined, wide


def written(step: Pass, spec: Spec) -> dict[int, int]:
    """Number of the burst, from 1, that writes each beat of a pass's target; as the store cuts them."""
    channels = len(step.conv.weights.integers) * (PARTIAL_BYTES if step.partial_out else 1)
    found, number = {}, 0
    rows, cols = step.layout.tiles
    for tile in range(rows * cols):
        for first in range(0, channels, spec.group_channels):
            size = min(spec.group_channels, channels - first)
            for address in stored_beats(step.target, step.layout, tile, first, spec):
                for beat in range(address, address + size):
                    number += beat == address or beat % spec.burst_beats == 0
                    found[beat] = number
    return found


def needed(before: Pass, step: Pass, spec: Spec) -> list[int]:
    """Bursts that must be in memory for each column of the input, in the order in which they are loaded."""
    if before.target.tensor != step.source.tensor:
        return [0] * (step.layout.tiles[0] * step.layout.columns)
    of_beat = written(before, spec)
    return [
        max(
            (
                of_beat.get(segment.address + channel, 0)
                for blocks in column
                for segment in blocks
                if segment.address is not None
                for channel in range(segment.steps)
            ),
            default=0,
        )
        for column in columns(step, spec)
    ]


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(
    ("make", "name"),
    [*product((everything, joined, filling, wide), ("shift", "odd", "int8")), (doubled, "shift")],
)
def test_no_column_is_loaded_before_it_is_written(make, name, batch):
    spec = SPECS[name]
    steps = plan(make(spec), spec, batch).passes
    told = ahead(steps, spec)
    waits = 0
    for before, step, says in zip(steps, steps[1:], told[1:], strict=False):
        for number, least in enumerate(needed(before, step, spec)):
            row, column = divmod(number, step.layout.columns)
            after = says.after + row * says.row_step + column * says.column_step
            assert after >= least, (step.node, row, column)
            waits += least > 0
    assert waits > 10


def test_a_column_waits_for_no_more_than_it_reads():
    """3 x 3 on tiles of as many bursts each: less than a tile more than what a column reads."""
    spec = SPECS["shift"]
    steps = plan(everything(spec), spec).passes
    number = next(n for n, step in enumerate(steps) if step.node == "max")
    before, step, says = steps[number - 1], steps[number], ahead(steps, spec)[number]
    exact = needed(before, step, spec)[: step.layout.columns]
    assert says.after != EVERYTHING
    (tile,) = set(bursts(before, spec).tolist())
    for column in range(step.layout.left, step.layout.columns - step.layout.right):
        more = says.after + column * says.column_step - exact[column]
        assert 0 <= more < tile


def test_halves_take_turns():
    spec = SPECS["shift"]
    steps = plan(everything(spec), spec).passes
    told = ahead(steps, spec)
    assert {each.half for each in told} == {0, 2, 3}
    for before, each, step in zip(told, told[1:], steps[1:], strict=False):
        assert (each.half != 0) == step.layout.halved
        assert each.apart == (each.half + before.half == 5)
