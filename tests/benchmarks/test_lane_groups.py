"""Output channels dealt to groups: the best cut, the cycles of each, and the model of one group as it was."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations_with_replacement, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.group_cycles import group_cycles
from benchmarks.lane_groups import ALONE, Groups, deal, sums
from shiftbook.golden.mapping.cycles import pass_cycles, slot_cycles
from shiftbook.golden.mapping.passes import plan_layer
from shiftbook.golden.spec import DEFAULT
from tests.golden.layers import layers, make_conv


@given(st.lists(st.integers(0, 9), min_size=1, max_size=7), st.integers(1, 4))
def test_the_slowest_group_is_as_fast_as_any_cut_makes_it(durations: list[int], count: int) -> None:
    found = deal(np.array(durations), count)
    assert (found[0], found[-1], len(found)) == (0, len(durations), count + 1)
    assert (np.diff(found) >= 0).all()
    cuts = combinations_with_replacement(range(len(durations) + 1), count - 1)
    edges = [(0, *cut, len(durations)) for cut in cuts]
    best = min(max(sum(durations[a:b]) for a, b in pairwise(e)) for e in edges)
    assert sums(np.array(durations), found).max() == best


@given(layers(), st.sampled_from([1, 2, 3, 5]))
@settings(max_examples=60, deadline=None)
def test_all_lanes_of_all_groups_are_in_one_part(layer, count: int) -> None:
    for step in plan_layer(layer.conv, layer.image.shape, layer.spec):
        cost = group_cycles(step, layer.spec, groups=Groups(count))
        assert cost.spent.total == cost.cycles * layer.spec.lanes * layer.spec.slots * count
        assert cost.spent.useful == pass_cycles(step, layer.spec).useful


def test_groups_take_their_channels_at_once() -> None:
    spec = replace(DEFAULT, requantizers=32)
    conv = make_conv(np.random.default_rng(0), (6, 3, 3, 8), density=1.0, values=[1])
    (step,) = plan_layer(conv, (16, 16, 8), spec)
    issued, skipped = slot_cycles(step, spec)
    each = (issued + skipped).max(axis=1)
    assert each.sum() == 6 * each[0]  # a dense layer: all channels take as long
    busy = {count: group_cycles(step, spec, groups=Groups(count)).tile_busy for count in (1, 2, 3, 4, 6, 7)}
    around = spec.start_cycles + 1
    assert {c: (b - around) // each[0] for c, b in busy.items()} == {1: 6, 2: 3, 3: 2, 4: 2, 6: 1, 7: 1}


def test_a_group_without_channels_is_idle() -> None:
    spec = replace(DEFAULT, requantizers=32)
    conv = make_conv(np.random.default_rng(0), (2, 1, 1, 8), density=1.0, values=[1])
    (step,) = plan_layer(conv, (8, 8, 8), spec)
    two, three = (group_cycles(step, spec, groups=Groups(count)).spent for count in (2, 3))
    assert (two.idle, two.slot_wait) == (0, 0)
    assert (three.idle, three.slot_wait) == (three.useful / 2, 0)


@pytest.mark.parametrize("pieces", [1, 2, 4])
def test_a_wider_bus_brings_more_pieces_in_a_beat(pieces: int) -> None:
    spec = replace(DEFAULT, rows=4, cols=4, requantizers=2, bus_bytes=8)
    conv = make_conv(np.random.default_rng(0), (8, 1, 1, 8), density=1.0, values=[1])
    (step,) = plan_layer(conv, (8, 8, 8), spec)
    narrow, wide = (group_cycles(step, spec, groups=groups) for groups in (ALONE, Groups(1, pieces)))
    assert (narrow.write_beats, wide.write_beats) == (64 * 8 // 8, 64 * 8 // 8 // pieces)
    inputs = 64 * 8 // 8
    streams = [cost.read_beats - inputs // per for cost, per in ((narrow, 1), (wide, pieces))]
    assert streams[1] <= streams[0] <= pieces * streams[1]


def test_streams_are_cut_where_groups_end() -> None:
    """The same bits, and in each part the words that a decoder holds."""
    spec = replace(DEFAULT, buffer_beats=32, rows=4, cols=4, requantizers=2, bus_bytes=8)
    conv = make_conv(np.random.default_rng(0), (64, 3, 3, 16), density=0.5)
    (step,) = plan_layer(conv, (4, 4, 16), spec)
    one, four = (group_cycles(step, spec, groups=Groups(count)) for count in (1, 4))
    added = 3 * (2 * spec.slots) * 2 * spec.word_width // (8 * spec.bus_bytes)
    rounding = 4 * (2 * spec.slots + 1)
    assert one.read_beats + added - rounding <= four.read_beats <= one.read_beats + added + rounding
