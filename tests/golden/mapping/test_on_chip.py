"""Which tensors stay on the chip: no word is needed twice, and what is spared is what the model counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftbook.golden.mapping.batch import image_beats, interleaved
from shiftbook.golden.mapping.course.blocks import block_beats
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.mapping.on_chip import Stay, moved, on_chip
from shiftbook.golden.mapping.passes import PIXELS, Plan, plan
from shiftbook.golden.model.network import Network
from shiftbook.golden.program.image import build
from tests.sim.networks import (
    SMALL,
    everything,
    far,
    filling,
    functions,
    gates,
    holes,
    joined,
    residuals,
    shared,
    wide,
)
from tests.sim.random_graphs import IMAGES, graph

NETWORKS = (everything, far, filling, functions, gates, holes, joined, residuals, shared, wide)


def sizes_of(steps: Plan) -> dict[str, int]:
    """Beats of every tensor, of all images."""
    apart = interleaved(steps.passes)
    return {
        name: steps.images(name) * image_beats(name, shape, apart, SMALL)
        for name, shape in steps.tensors.items()
    }


def host_of(network: Network, steps: Plan) -> set[str]:
    return {steps.views[name].tensor for name in (network.input.name + PIXELS, *network.results)}


def check_places(steps: Plan, stays: dict[str, Stay], words: int) -> None:
    """Play the program: each word of a tensor is there from its pass on until the last that reads it.

    The words of a sum may replace those of its residual, one by one, in the pass that adds it.
    """
    owner: dict[int, str] = {}
    for number, step in enumerate(steps.passes):
        for name in read_by(step) & stays.keys():
            assert tag(stays[name], owner) <= {name, None, step.target.tensor}
        stay = stays.get(step.target.tensor)
        if stay is None:
            continue
        assert stay.word >= 0
        assert stay.word + stay.size <= words
        assert stay.word % SMALL.burst_beats == 0
        replaced = taken(step, stay)
        later = {name for each in steps.passes[number + 1 :] for name in read_by(each)}
        for word in replaced:
            lost = owner.get(word)
            if lost is not None and lost != step.target.tensor:
                assert lost not in later, f"{step.node} writes over {lost}, which is still needed"
                if lost in read_by(step):
                    assert_in_place(step, stays[lost], stay)
            owner[word] = step.target.tensor


def read_by(step: Pass) -> set[str]:
    return {step.source.tensor} | ({step.residual.tensor} if step.residual is not None else set())


def tag(stay: Stay, owner: dict[int, str]) -> set[str | None]:
    """Whose the words of a tensor are now; None where nobody wrote."""
    return {owner.get(word) for word in range(stay.word, stay.word + stay.size)}


def taken(step: Pass, stay: Stay) -> range:
    """Words that the target has, all of them: passes write parts of it, in any order."""
    return range(stay.word, stay.word + stay.size)


def assert_in_place(step: Pass, residual: Stay, target: Stay) -> None:
    """A pass that reads and writes the same words does so word by word, in the same order, each once."""
    assert step.residual is not None
    assert step.source.tensor != step.residual.tensor
    assert step.gating != "channel"
    assert not any((step.partial_in, step.target.phases, step.target.region))
    channels = len(step.conv.weights.integers)
    tiles = step.layout.tiles[0] * step.layout.tiles[1]
    groups = [(tile, first) for tile in range(tiles) for first in range(channels)]
    reads = [residual.word + n for at in groups for n in block_beats(step.residual, *at, SMALL)]
    writes = [target.word + n for at in groups for n in block_beats(step.target, *at, SMALL)]
    assert reads == writes
    assert len(set(reads)) == len(reads)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    image=st.sampled_from(IMAGES),
    kib=st.sampled_from([1, 2, 4, 16]),
    batch=st.integers(1, 4),
)
def test_no_two_live_tensors_share_a_word(
    seed: int, image: tuple[int, int, int], kib: int, batch: int
) -> None:
    network = graph(seed, 6, image, SMALL)
    spec = replace(SMALL, tensor_kib=kib)
    steps = plan(network, spec, batch)
    host = host_of(network, steps)
    stays = on_chip(steps.passes, sizes_of(steps), host, spec)
    assert not host & stays.keys()
    check_places(steps, stays, spec.tensor_words)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_every_kind_of_layer(make, batch):
    network = make(SMALL)
    for kib in (1, 2, 8, 256):
        spec = replace(SMALL, tensor_kib=kib)
        steps = plan(network, spec, batch)
        stays = on_chip(steps.passes, sizes_of(steps), host_of(network, steps), spec)
        check_places(steps, stays, spec.tensor_words)
    inner = sizes_of(steps).keys() - host_of(network, steps)
    assert stays.keys() == inner, "there is room for all of them"


@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_spared_beats_are_those_of_the_model(make):
    network = make(SMALL)
    without = build(network, SMALL)
    beats = sum(cost.read_beats + cost.write_beats for cost in without.costs())
    for kib in (1, 4):
        built = build(network, replace(SMALL, tensor_kib=kib))
        costs = built.costs()
        spared = sum(stay.beats for stay in built.stays.values())
        assert spared > 0
        assert sum(cost.local_beats for cost in costs) == spared
        assert sum(cost.read_beats + cost.write_beats for cost in costs) == beats - spared


def test_beats_of_each_pass():
    for make in NETWORKS:
        built = build(make(SMALL), SMALL)
        for step, cost in zip(built.plan.passes, built.costs(), strict=True):
            found: Counter[bool] = Counter()
            for place, (_, count) in enumerate(ends := moved(step, SMALL)):
                found[place == len(ends) - 1] += count
            assert found[True] == cost.write_beats
            assert found[False] <= cost.read_beats  # streams are read too


def test_a_sum_takes_the_place_of_its_residual():
    built = build(residuals(SMALL), replace(SMALL, tensor_kib=4))
    at = {name: stay.word for name, stay in built.stays.items()}
    assert at["third"] == at["fourth"]
    assert at["fourth"] != at["fifth"], "what is convolved and added is needed to the end"


def test_without_a_buffer_nothing_stays():
    built = build(everything(SMALL), SMALL)
    assert built.stays == {}
    assert not any(place.local for place in built.places.values())


def test_places_in_memory_are_of_what_moves():
    spec = replace(SMALL, tensor_kib=4)
    whole, less = build(everything(SMALL), SMALL), build(everything(SMALL), spec)
    assert less.size < whole.size
    assert np.array_equal(less.constants[32:], whole.constants[32:])
