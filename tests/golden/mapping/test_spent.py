"""Where lane-slot-cycles go: all parts add up, and each loss is that of a layer counted by hand."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given, settings

from shiftbook.golden.mapping.course.program import Told
from shiftbook.golden.mapping.cycles import PassCycles, pass_cycles
from shiftbook.golden.mapping.passes import plan_layer
from shiftbook.golden.mapping.spent import PARTS, Spent, spent_together
from shiftbook.golden.program.image import build
from shiftbook.golden.spec import DEFAULT, Spec
from tests.golden.layers import layers, make_conv
from tests.sim.networks import SPECS, everything, joined, shared, wide

SIXTEEN = replace(DEFAULT, requantizers=16)
"""Four cycles drain the 64 lanes of an output channel; each takes part in four slots."""


def cost_of(weights: list, source: tuple[int, int, int], spec: Spec, **options: object) -> PassCycles:
    """The cost of a layer without padding whose weights [O, kh, kw, I] are given."""
    integers = np.array(weights, np.int16)
    values = sorted({*integers.ravel().tolist()} - {0})
    conv = make_conv(np.random.default_rng(0), integers.shape, values=values)
    conv = replace(conv, weights=replace(conv.weights, integers=integers))
    (step,) = plan_layer(conv, source, spec)
    return pass_cycles(step, spec, **options)


def check_sum(cost: PassCycles, spec: Spec) -> None:
    """Every lane of every slot in every cycle is in one part."""
    assert cost.spent.total == cost.cycles * spec.lanes * spec.slots
    assert min(astuple(cost.spent)) >= 0
    assert cost.spent.useful == cost.useful


@given(layers())
@settings(max_examples=60, deadline=None)
def test_parts_of_a_layer_add_up(layer):
    for step in plan_layer(layer.conv, layer.image.shape, layer.spec):
        for words in ((0, 0, 0, 0), (90, 7, 40, 9), (3, 0, 5000, 0)):
            check_sum(pass_cycles(step, layer.spec, told=Told(words)), layer.spec)


@pytest.mark.parametrize("make", [everything, joined, wide, shared])
@pytest.mark.parametrize("engine", SPECS)
def test_parts_of_a_network_add_up(make, engine):
    """Every kind of node, layers in parts with partial sums, and copies."""
    spec = SPECS[engine]
    costs = build(make(spec), spec).costs()
    for cost in costs:
        check_sum(cost, spec)
    whole = spent_together(cost.spent for cost in costs)
    assert whole.total == sum(cost.cycles for cost in costs) * spec.lanes * spec.slots


def test_lanes_without_a_pixel_are_idle_while_a_row_is_added():
    """8 rows a tile meet 64 lanes of the first tile and 32 of the second."""
    spent = cost_of(np.ones((2, 1, 1, 4)), (12, 8, 4), SIXTEEN).spent
    assert (spent.useful, spent.idle) == (8 * 96, 8 * 32)


def test_a_slot_without_a_weight_is_idle_while_others_have_one():
    """Three channels fill three of four slots, for one row; the drain takes the other three cycles."""
    spent = cost_of(np.ones((1, 1, 1, 3)), (8, 8, 3), SIXTEEN).spent
    assert (spent.useful, spent.idle, spent.slot_wait) == (3 * 64, 64, 0)
    assert spent.drain == 3 * 4 * 64


def test_zeros_beyond_a_gap_are_skipped():
    """A gap says up to three zeros and an escape four: nine zeros before a weight take two escapes.

    Of the six behind it one escape skips four; the next one would reach beyond the channel.
    """
    spec = replace(SIXTEEN, slots=1, gap_symbols=5)
    weights = np.zeros((1, 1, 1, 16))
    weights[..., 9] = 1
    spent = cost_of(weights, (8, 8, 16), spec).spent
    assert (spent.useful, spent.skips, spent.drain) == (64, 3 * 64, 0)


def test_slots_wait_for_the_slowest():
    """The 3 x 3 taps of four channels: one has nine weights, the others 9, 5 and 2."""
    weights = np.ones((1, 3, 3, 4))
    weights.reshape(9, 4)[5:, 2] = weights.reshape(9, 4)[2:, 3] = 0
    spent = cost_of(weights, (10, 10, 4), SIXTEEN).spent
    assert (spent.useful, spent.slot_wait) == (25 * 64, (4 + 7) * 64)
    assert (spent.idle, spent.skips, spent.drain) == (0, 0, 0)


@pytest.mark.parametrize(("requantizers", "cycles"), [(8, 8), (16, 4)])
def test_channels_of_few_rows_wait_for_the_drain(requantizers, cycles):
    """Five channels of one row in each slot: all slots wait for the rest of the drain."""
    spec = replace(DEFAULT, requantizers=requantizers)
    spent = cost_of(np.ones((5, 1, 1, 4)), (8, 8, 4), spec).spent
    assert (spent.useful, spent.drain) == (5 * 4 * 64, 5 * (cycles - 1) * 4 * 64)


def test_a_tile_waits_for_its_input():
    """Four tiles of one output channel, each with 64 channels to load, of two beats each.

    Their 128 beats follow one another. A tile is busy for 4 + 8 + 1 cycles, and three pass to the next: three
    tiles wait for 112.
    """
    weights = np.zeros((1, 1, 1, 64))
    weights[..., :4] = 1
    cost = cost_of(weights, (16, 16, 64), DEFAULT)
    assert cost.read_beats == 4 * 64 * 2 + 9
    assert cost.spent.bus == 112 * 3 * 4 * 64


def test_what_is_around_the_rows_fills():
    """The program's 50 words, the first input, the last outputs, and what each of two tiles begins with.

    The loader asks 5 cycles after the words, and one later, because a stream is more urgent. 102 cycles later
    the first of 10 beats comes, two of them of streams, and two cycles after the last the tile starts. Its
    first row waits 4 cycles for the last stream. Each tile begins with 5 cycles, and 3 are between them. The
    outputs are in memory after 3 cycles of the lookup, 1 of the lanes' sums, 5 + 4 of the drain,
    1 + 2 x 3 + 4 of the store's two bursts, and 100 + 1 of the memory; the program is over a cycle later.
    """
    spent = cost_of(np.ones((2, 1, 1, 4)), (12, 8, 4), SIXTEEN, told=Told((50, 0, 0, 0))).spent
    before, after = 50 + 5 + 1 + 102 + 10 + 1, 3 + 1 + 5 + 4 + 1 + 2 * 3 + 4 + 100 + 1 + 1
    assert (spent.fill, spent.bus) == ((before + 4 + 2 * 5 + 3 + after) * 4 * 64, 0)


def test_a_late_program_fills():
    """The last word begins the layer; its input is there long before, so that each word costs a cycle."""
    soon, late = (
        cost_of(np.ones((2, 1, 1, 4)), (12, 8, 4), SIXTEEN, told=Told((50, 0, words, 0))).spent
        for words in (200, 300)
    )
    assert late.fill - soon.fill == 100 * 4 * 64
    assert late.bus == soon.bus == 0


def test_shares():
    spent = Spent(useful=1, drain=2, fill=1)
    assert [spent.share(part) for part in PARTS] == [0.25, 0, 0, 0, 0.5, 0, 0.25]
    assert Spent().share("useful") == 0
    assert spent_together([spent, spent]) == Spent(useful=2, drain=4, fill=2)
    assert spent_together([]) == Spent()
