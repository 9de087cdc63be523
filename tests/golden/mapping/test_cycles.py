"""The cycle model against counting by hand; tests/sim/test_program.py holds it against the slow engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings

from shiftbook.golden.coding import items
from shiftbook.golden.coding.terms import rows_of
from shiftbook.golden.mapping.course.program import Told
from shiftbook.golden.mapping.cycles import channel_durations, pass_cycles, slot_cycles, utilization
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.mapping.passes import plan_layer
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.spec import DEFAULT, PRESETS, Spec
from tests.golden.layers import layers, make_codebooks, make_conv, make_vector_conv


def only_pass(conv: Conv, source: tuple[int, int, int], spec: Spec) -> Pass:
    (step,) = plan_layer(conv, source, spec)
    return step


def counted(conv: Conv, source: tuple[int, int, int], spec: Spec) -> tuple[np.ndarray, int]:
    """Cycles of each slot [O, W], and all rows."""
    issued, skipped = slot_cycles(only_pass(conv, source, spec), spec)
    return issued + skipped, int(issued.sum())


@given(layers())
@settings(max_examples=40, deadline=None)
def test_slots_take_their_rows_and_escapes(layer):
    """Weight by weight: every code its rows, every full skip a cycle in the channel that it reaches."""
    conv, spec = layer.conv, layer.spec
    assume(conv.weights.vectors is None)
    assume(len(plan_layer(conv, layer.image.shape, spec)) == 1)
    placement = items.placement_of(conv.weights, spec.slots, spec)
    outputs, positions = len(conv.weights.integers), placement.positions
    got, rows = counted(conv, layer.image.shape, spec)
    want = np.zeros_like(got)
    issued = 0
    for w in range(spec.slots):
        following = 0
        for o in range(outputs):
            by_position = dict.fromkeys(range(positions), 0)
            for index in np.argwhere(placement.slot == w):
                by_position[int(placement.position[tuple(index)])] = int(conv.weights.integers[(o, *index)])
            for position, weight in sorted(by_position.items()):
                if spec.feed == "coded" and not conv.weights.gapless and weight == 0:
                    continue
                here = o * positions + position
                while (
                    spec.feed == "coded" and not conv.weights.gapless and here - following >= spec.escape_gap
                ):
                    following += spec.escape_gap
                    want[following // positions, w] += 1
                cost = 1 if spec.lane == "multiply" else len(rows_of(weight, spec))
                want[o, w] += cost
                issued += cost
                following = here + 1
        while spec.feed == "coded" and not conv.weights.gapless:
            following += spec.escape_gap
            if following >= outputs * positions:
                break
            want[following // positions, w] += 1
    assert np.array_equal(got, want)
    assert rows == issued


@pytest.mark.parametrize("along", ["run", "taps"])
@pytest.mark.parametrize("density", [1.0, 0.3])
def test_slots_take_the_rows_of_all_codes_of_a_vector(along, density):
    """Vector by vector: each codeword its weights' rows, or one; full skips as between weights."""
    spec = replace(DEFAULT, gap_symbols=8)
    rng = np.random.default_rng(1)
    codebooks = make_codebooks(rng, 3, 16, 9)
    codebooks.codewords[0, :4] = 0
    conv = make_vector_conv(rng, (7, 3, 3, 12), codebooks, spec, density=density, along=along)
    got, rows = counted(conv, (8, 8, 12), spec)
    want = np.zeros_like(got)
    issued = 0
    count, step = (3, 1) if along == "taps" else (4, 9)
    vectors = conv.weights.vectors
    for w in range(4):
        following = 0
        for o, v in np.ndindex(7, count):
            if not vectors.present[o, w, v]:
                continue
            here = (o * count + v) * step
            while here - following >= spec.escape_gap and not conv.weights.gapless:
                following += spec.escape_gap
                want[following // (count * step), w] += 1
            for book, code in enumerate(vectors.codes[o, w, v]):
                weights = [value for value in codebooks.codewords[book, code].tolist() if value]
                cost = max(sum(len(rows_of(value, spec)) for value in weights), 1)
                want[o, w] += cost
                issued += cost
            following = here + step
        while not conv.weights.gapless:
            following += spec.escape_gap
            if following >= 7 * count * step:
                break
            want[following // (count * step), w] += 1
    assert np.array_equal(got, want)
    assert rows == issued


def test_a_channel_lasts_as_long_as_its_slowest_slot_or_the_drain():
    each = np.array([[3, 9], [12, 1], [0, 0]])
    assert channel_durations(each, replace(DEFAULT, slots=2)).tolist() == [9, 12, 8]
    assert channel_durations(each, replace(DEFAULT, requantizers=16)).tolist() == [9, 12, 4]


def test_a_layer_counts_tiles_rows_and_beats():
    conv = make_conv(np.random.default_rng(0), (2, 1, 1, 4), density=1.0, values=[1])
    spec = replace(DEFAULT, requantizers=16, bus_bytes=16)
    cost = pass_cycles(only_pass(conv, (12, 8, 4), spec), spec)
    assert cost.tiles == 2
    assert cost.tile_rows == 8
    assert cost.durations.tolist() == [4, 4]
    assert cost.tile_busy == spec.start_cycles + 8 + 1
    assert (cost.busy, cost.rows) == (2 * cost.tile_busy, 16)
    # 8 rows a tile reach 64 lanes in the first tile and 32 in the second.
    assert cost.useful == 8 * 96
    assert utilization(cost.useful, cost.busy, spec) == pytest.approx(8 * 96 / (cost.busy * 64 * 4))
    # 4 beats a channel and tile, and a beat of each of 9 streams but the gaps
    assert (cost.read_beats, cost.write_beats) == (2 * 4 * 4 + 1 + 2 * 4, 2 * 4 * 2)


def test_a_slow_memory_and_a_long_program_cost_cycles():
    step = only_pass(make_conv(np.random.default_rng(0), (8, 3, 3, 8), density=1.0), (16, 16, 8), DEFAULT)
    near, far = (pass_cycles(step, DEFAULT, latency=latency).cycles for latency in (10, 300))
    assert far - near == 2 * 290  # before the first tile and after the last
    longer = pass_cycles(step, DEFAULT, told=Told(words=(50, 0, 0, 0)))
    assert longer.cycles == pass_cycles(step, DEFAULT).cycles + 50


def test_a_dense_feed_takes_every_position():
    spec = PRESETS["int8"]
    conv = make_conv(np.random.default_rng(0), (2, 3, 3, 10), density=0.1)
    step = only_pass(conv, (8, 8, 10), spec)
    issued, skipped = slot_cycles(step, spec)
    assert issued.shape == (2, spec.slots)
    assert set(issued.ravel().tolist()) == {step.placement.positions}
    assert not skipped.any()
