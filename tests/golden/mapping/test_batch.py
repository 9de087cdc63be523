"""What a batch changes in a program, and what it does not."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.isa.addresses import MEMORY_ADDRESS_WIDTH
from shiftbook.golden.mapping import batch as batches
from shiftbook.golden.mapping.passes import plan
from shiftbook.golden.program import image
from tests.sim.networks import SMALL, SPECS, doubled, everything, gates, joined
from tests.sim.test_batches import heads

OF_ONE = {
    ("everything", "shift"): "5329031ee8dab7a1",
    ("joined", "odd"): "97e290d755238d81",
    ("doubled", "shift"): "66cb1d12cb52fdcb",
    ("everything", "int8"): "8a9a2917f7558f29",
}
"""First digits of the SHA-256 of memory images for one image at a time, from before there were batches."""


@pytest.mark.parametrize(
    ("make", "name"), [(everything, "shift"), (joined, "odd"), (doubled, "shift"), (everything, "int8")]
)
def test_programs_of_one_image_are_what_they_were(make, name):
    spec = SPECS[name]
    built = image.build(make(spec), spec)
    assert hashlib.sha256(built.contents().tobytes()).hexdigest()[:16] == OF_ONE[make.__name__, name]


def test_a_batch_has_the_passes_and_streams_of_one_image():
    """Passes that store apart or are gated are there for each image; no weight lies in memory twice."""
    one, several = (image.build(everything(SMALL), SMALL, count) for count in (1, 4))
    assert len(several.constants) == len(one.constants)
    assert len(several.program) < 1.5 * len(one.program)
    assert {step.layout.images for step in several.plan.passes} == {4}
    gated = plan(gates(SMALL), SMALL, 3).passes
    assert {step.layout.images for step in gated if step.gating == "channel"} == {1}
    assert {step.layout.images for step in gated if step.gating == "pixel"} == {3}


def test_a_batch_costs_an_image_less():
    each = [
        sum(cost.cycles for cost in image.build(everything(SMALL), SMALL, n).costs()) / n for n in (1, 2, 4)
    ]
    assert each[0] > each[1] > each[2]


def test_images_have_places_of_their_own():
    for make in (everything, doubled, heads, gates):
        built = image.build(make(SMALL), SMALL, 5)
        taken = [
            (built.offset(name, number), built.offset(name, number) + place.layout.size)
            for name, place in built.places.items()
            for number in range(built.plan.images(name))
        ]
        taken.sort()
        assert all(end <= begin for (_, end), (begin, _) in pairwise(taken))
        assert taken[-1][1] <= built.program_offset


def test_the_first_value_of_each_image():
    """Where the host finds it, for a tensor that four images share and one that they do not."""
    built = image.build(heads(SMALL), SMALL, 5)
    for name in (built.input, "stem", "scores"):
        for number in range(5):
            view = built.plan.view(name, number)
            place = built.places[view.tensor].layout
            pixels = np.zeros((place.height, place.width, place.channels), np.uint8)
            view.pixels(pixels)[0][0, 0, 0] = 1
            (at,) = np.flatnonzero(place.pack(pixels))
            assert built.first(name, number) == built.offset(view.tensor, view.image) + at


@pytest.mark.parametrize("count", [0, -3])
def test_no_batch_without_images(count):
    with pytest.raises(ShiftbookError, match=rf"^batch must be at least 1, not {count}$"):
        plan(everything(SMALL), SMALL, count)


def test_more_tiles_than_the_accelerator_counts():
    expected = (
        r"^layer image: 90000 images are 810,000 tiles and the accelerator counts 65,535: lower the batch$"
    )
    with pytest.raises(ShiftbookError, match=expected):
        plan(everything(SMALL), SMALL, 90_000)


def test_more_memory_than_addresses(monkeypatch):
    most = image.build(everything(SMALL), SMALL, 2).size
    monkeypatch.setattr(image, "MEMORY_ADDRESS_WIDTH", most.bit_length() - 1)
    assert MEMORY_ADDRESS_WIDTH == 32
    with pytest.raises(ShiftbookError, match=rf"^a batch of 2 takes {most:,} bytes of memory and an address"):
        image.build(everything(SMALL), SMALL, 2)


def test_grids_that_do_not_interleave_join_nothing():
    spec = SPECS["odd"]
    assert plan(heads(spec), spec, 4).join == batches.APART
    assert plan(heads(replace(SMALL, interleaving=False)), replace(SMALL, interleaving=False), 4).join == (
        batches.APART
    )
