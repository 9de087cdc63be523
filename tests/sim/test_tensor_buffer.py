"""Tensors that stay on the chip: whole networks on the RTL, with every integer compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from shiftbook.golden.mapping.on_chip import moved
from shiftbook.golden.model import executor
from shiftbook.golden.model.network import Network
from shiftbook.golden.program import image, layer_program
from shiftbook.golden.program.layer_program import Place
from shiftbook.golden.spec import Spec
from shiftbook.sim.driver import Mismatch, run_rtl
from tests.sim.networks import (
    IMAGES,
    SMALL,
    doubled,
    everything,
    far,
    functions,
    gates,
    joined,
    residuals,
    resized,
    shared,
    wide,
)
from tests.sim.random_graphs import IMAGES as SHAPES
from tests.sim.random_graphs import forest

Make = Callable[[Spec], Network]

SOME, MOST = (replace(SMALL, tensor_kib=kib) for kib in (1, 4))
"""Accelerators on which some tensors of the networks stay, and most."""

NETWORKS = (doubled, everything, far, functions, gates, joined, residuals, resized, shared, wide)


@cache
def integers(make: Make) -> int:
    """Those that are compared where all tensors are in memory."""
    return run_rtl(make(SMALL), IMAGES[:1], SMALL, latency=0).integers


@pytest.mark.parametrize("spec", [SOME, MOST], ids=["some", "most"])
@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_every_integer_is_compared(make: Make, spec: Spec) -> None:
    network = make(spec)
    for latency, pauses in ((0, 0.0), (7, 0.3)):
        result = run_rtl(network, IMAGES, spec, latency=latency, pauses=pauses, seed=latency + 1)
        assert np.array_equal(result.outputs, executor.run(network, IMAGES).outputs)
        assert result.integers == 2 * integers(make)


@pytest.mark.parametrize("make", [everything, gates, residuals], ids=lambda make: make.__name__)
def test_beats_on_the_bus_are_those_of_the_model(make: Make) -> None:
    built = image.build(make(MOST), MOST)
    layers = run_rtl(make(MOST), IMAGES[:1], MOST).layers
    costs = built.costs()
    header = 32 // MOST.bus_bytes
    program = len(built.program) // MOST.bus_bytes
    assert sum(layer.counters.write_beats for layer in layers) == sum(cost.write_beats for cost in costs)
    reads = sum(layer.counters.read_beats for layer in layers)
    assert reads == sum(cost.read_beats for cost in costs) + header + program


@pytest.mark.parametrize("batch", [2, 3])
@pytest.mark.parametrize("make", [everything, gates, residuals], ids=lambda make: make.__name__)
def test_batches(make: Make, batch: int) -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (batch, 9, 11, 3), np.uint8)
    for spec in (SOME, MOST):
        run_rtl(make(spec), pixels, spec, batch=batch, latency=batch, pauses=0.2)


def test_its_accesses_are_counted() -> None:
    """As those of all memories: for the energy of a network."""
    built = image.build(residuals(MOST), MOST)
    found = run_rtl(residuals(MOST), IMAGES, MOST, probes=True).accesses
    (memory,) = (each for each in found if each.kind.key == "tensor_buffer.memory")
    assert (memory.kind.words, memory.kind.bits) == (MOST.tensor_words, 8 * MOST.bus_bytes)
    local = built.stays.keys()
    writes = [
        cost.local_beats - sum(count for name, count in moved(step, MOST)[:-1] if name in local)
        for step, cost in zip(built.plan.passes, built.costs(), strict=True)
    ]
    assert memory.writes.tolist() == writes
    assert memory.reads.sum() + memory.writes.sum() == sum(cost.local_beats for cost in built.costs())


def test_random_graphs() -> None:
    for number, shape in enumerate(SHAPES[:3]):
        network = forest(7000 + 10 * number, 6, 3, shape, SMALL)
        pixels = np.random.default_rng(number).integers(0, 256, (2, *shape), np.uint8)
        for batch, spec in ((1, SOME), (2, MOST)):
            run_rtl(network, pixels, spec, batch=batch, latency=5, pauses=0.2, seed=number + 1)


def test_a_sum_in_the_place_of_its_residual() -> None:
    built = image.build(residuals(MOST), MOST)
    assert built.stays["third"].word == built.stays["fourth"].word
    run_rtl(residuals(MOST), IMAGES, MOST, latency=0)
    run_rtl(residuals(MOST), IMAGES, MOST, latency=60, pauses=0.6)


def test_a_sum_anywhere_over_its_residual_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison sees it where a tensor is written over before it is read."""
    choose = image.on_chip

    def wrong(*arguments: object) -> dict[str, object]:
        stays = choose(*arguments)
        return stays | {"fourth": stays["fourth"]._replace(word=stays["third"].word + MOST.burst_beats)}

    monkeypatch.setattr(image, "on_chip", wrong)
    with pytest.raises(Mismatch, match="layer fourth"):
        run_rtl(residuals(MOST), IMAGES, MOST, limit=1)


def elsewhere(monkeypatch: pytest.MonkeyPatch, beyond: Callable[[Place], int]) -> None:
    """Programs say other words of the tensor buffer."""
    right = Place.at

    def at(place: Place, beats: int, spec: Spec) -> int:
        return right(place, beats + (beyond(place) if place.local else 0), spec)

    monkeypatch.setattr(layer_program.Place, "at", at)


def test_words_beyond_the_last_one_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere(monkeypatch, lambda place: 5 * MOST.tensor_words)
    run_rtl(everything(MOST), IMAGES, MOST, limit=1, latency=3)


def test_a_program_that_reads_what_it_did_not_write_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    elsewhere(monkeypatch, lambda place: int(rng.integers(0, 1 << 20)))
    with pytest.raises(Mismatch, match=r"RTL \d+, golden"):
        run_rtl(everything(MOST), IMAGES, MOST, limit=1, latency=3)
