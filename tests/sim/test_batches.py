"""Batches on the simulated accelerator: every image as golden has it, cycles as the model has them."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.passes import plan
from shiftbook.golden.model import executor
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Pool
from shiftbook.golden.model.weights import Requantize
from shiftbook.golden.program import image, layer_program
from shiftbook.golden.program.host import HostDriver
from shiftbook.golden.spec import Spec
from shiftbook.sim.driver import Mismatch, RtlResult, run_rtl
from shiftbook.sim.session import Session
from tests.golden.model.test_executor import small_network
from tests.sim.networks import (
    SMALL,
    SPECS,
    doubled,
    drawn,
    everything,
    far,
    filling,
    functions,
    gates,
    joined,
    resized,
    shared,
    whole_maps,
    wide,
)
from tests.sim.random_graphs import IMAGES, forest
from tests.sim.test_random_layers import network as random_network

BATCHES = (2, 3, 5)


def pixels(network: Network, count: int, seed: int = 3) -> np.ndarray:
    """uint8 [count, H, W, C]: images that differ."""
    return np.random.default_rng(seed).integers(0, 256, (count, *network.input.shape), np.uint8)


def heads(spec: Spec) -> Network:
    """Layers of one pixel: three behind each other, one of them with a residual."""
    rng = np.random.default_rng(9)
    average = Requantize(np.array([0]), np.array([900]), np.array([16]), 100)
    nodes = (
        drawn("stem", "image", (12, 3, 3, 3), 13, spec, rng, padding=(1, 1, 1, 1)),
        Pool("mean", "stem", "average", (9, 11), (1, 1), requantize=average),
        drawn("first", "mean", (12, 1, 1, 12), 13, spec, rng),
        drawn("second", "first", (12, 1, 1, 12), 13, spec, rng, residual="mean"),
        drawn("scores", "second", (20, 1, 1, 12), 13, spec, rng),
    )
    return replace(small_network(1), nodes=nodes, slots=spec.slots)


def run(network: Network, spec: Spec, batch: int, **options: object) -> RtlResult:
    """One batch, compared integer by integer; ``rows`` are compared too."""
    return run_rtl(network, pixels(network, batch), spec, batch=batch, **options)


KINDS = {
    doubled: 2,
    everything: 3,
    far: 2,
    filling: 5,
    functions: 3,
    gates: 5,
    heads: 5,
    joined: 3,
    resized: 2,
    shared: 5,
    whole_maps: 3,
    wide: 2,
}
"""Networks that have every kind of layer, with a batch each."""


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_every_kind_of_layer(make):
    run(make(SMALL), SMALL, KINDS[make], latency=7, pauses=0.3, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_every_kind_of_layer_in_every_batch(make, batch):
    run(make(SMALL), SMALL, batch, latency=batch, pauses=0.2, seed=2)


@pytest.mark.parametrize("name", ["odd", "int8"])
def test_other_accelerators(name):
    spec = SPECS[name]
    for make, batch in ((everything, 3), (joined, 2), (heads, 5)):
        run(make(spec), spec, batch, latency=20, pauses=0.2)


@pytest.mark.parametrize("batch", BATCHES)
def test_random_graphs(batch):
    for number, shape in enumerate(IMAGES):
        network = forest(100 * batch + 10 * number, 8, 2, shape, SMALL)
        run(network, SMALL, batch, latency=number, pauses=(0.0, 0.1, 0.3)[number % 3], seed=number + 1)


@pytest.mark.parametrize("batch", BATCHES)
def test_random_layers(batch):
    rng = np.random.default_rng(batch)
    for seed in (1, 2):
        run(random_network(rng, SMALL), SMALL, batch, latency=30, pauses=0.3, seed=seed)


def test_several_batches_are_the_images_one_by_one():
    network, spec = heads(SMALL), SMALL
    images = pixels(network, 6)
    found = run_rtl(network, images, spec, batch=3)
    alone = run_rtl(network, images, spec)
    assert np.array_equal(found.outputs, alone.outputs)
    assert np.array_equal(found.outputs, executor.run(network, images).outputs)
    assert found.integers == alone.integers
    assert found.cycles < 3 * alone.cycles


def test_a_program_of_one_image_behind_one_of_a_batch():
    """It says nothing of images, and each START forgets what the program before said."""
    network, images = everything(SMALL), pixels(everything(SMALL), 3)
    programs = [image.build(network, SMALL, count) for count in (3, 1)]
    with Session(SMALL, max(built.size for built in programs)) as session:
        for built in programs:
            session.fill(0, built.contents())
            layout = built.places[built.input].layout
            for number in range(built.plan.batch):
                session.fill(built.offset(built.input, number), layout.pack(images[number]))
            HostDriver(session.read, session.write, session.wait).run(0)
        place = built.places[built.outputs[0]].layout
        got = place.unpack(session.fetch(built.offset(built.outputs[0]), place.size))
    assert np.array_equal(got.ravel(), executor.run(network, images[:1]).outputs[0].ravel())


def test_layers_of_one_pixel_meet_four_images():
    network = heads(SMALL)
    passes = plan(network, SMALL, 5).passes
    assert plan(network, SMALL, 5).join.nodes == {"first", "second", "scores"}
    (scores,) = (step for step in passes if step.node == "scores")
    assert (scores.layout.tiles, scores.images) == ((2, 1), range(5))
    assert sum(step.node == "mean" for step in passes) == 5


def test_cycles_are_those_of_the_model():
    """As exact as of one image, with a memory that answers at once and with one that does not."""
    errors, cycles = [], 0
    for make, batch, latency in product((everything, filling, heads, joined), (2, 5), (0, 100)):
        found = run(make(SMALL), SMALL, batch, latency=latency)
        errors += [layer.model - layer.counters.cycles for layer in found.layers]
        cycles += found.cycles
    assert sum(map(abs, errors)) < 0.001 * cycles
    assert np.mean([error == 0 for error in errors]) > 0.9


def test_a_batch_that_the_images_do_not_fill():
    network = everything(SMALL)
    with pytest.raises(
        ShiftbookError, match=r"^a batch takes 2 images at once, and 3 are no multiple of it$"
    ):
        run_rtl(network, pixels(network, 3), SMALL, batch=2)


def test_images_that_are_not_padded_each_by_itself_are_seen(monkeypatch):
    """With the rows of all images as one map, the second begins with the end of the first above it."""
    monkeypatch.setattr(layer_program, "_image_steps", lambda *_: {layer_program.LayerRegister.IMAGE_ROWS: 0})
    with pytest.raises(Mismatch, match="image 1"):
        run(everything(SMALL), SMALL, 2)
