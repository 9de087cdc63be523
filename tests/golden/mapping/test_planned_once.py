"""What a layer's plan says is worked out once: for the check, the image and the cycles together."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from shiftbook.golden.coding import items, streams
from shiftbook.golden.mapping import tiles
from shiftbook.golden.mapping.passes import plan_layer
from shiftbook.golden.program.image import build
from shiftbook.golden.spec import DEFAULT
from tests.golden.layers import make_conv
from tests.sim.networks import SMALL, everything, shared


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each step of planning was done."""
    found: Counter[str] = Counter()

    def count(module: object, name: str) -> None:
        function = getattr(module, name)

        def counted(*arguments: object) -> object:
            found[name] += 1
            return function(*arguments)

        monkeypatch.setattr(module, name, counted)

    count(items, "place")
    count(items, "walk_of")
    count(items, "items_of")
    count(streams, "encode_items")
    count(tiles, "geometry")
    return found


def test_an_image_and_its_cycles_take_one_plan(calls):
    network = everything(SMALL)
    calls.clear()
    built = build(network, SMALL)
    passes = len(built.plan.passes)
    steps = ("geometry", "walk_of", "items_of", "encode_items")
    assert {name: calls[name] for name in steps} == dict.fromkeys(steps, passes)
    calls.clear()
    assert built.costs(10) != built.costs(300)
    assert not calls


def test_copies_share_all_but_tensors_and_requantizers(calls):
    network = shared(SMALL)
    calls.clear()
    passes = build(network, SMALL).plan.passes
    codings = {id(step.coding) for step in passes}
    assert len(passes) > len(codings) == calls["encode_items"] == calls["geometry"]


def test_groups_and_parts_are_laid_out_once(calls):
    rng = np.random.default_rng(0)
    halved = replace(make_conv(rng, (4, 3, 3, 1024)), stride=(2, 2), padding=(1, 1, 1, 1))
    assert len(plan_layer(halved, (28, 28, 1024), DEFAULT)) > 1
    assert calls["geometry"] == 1
    calls.clear()
    narrow = replace(DEFAULT, tile_words=64)
    depthwise = make_conv(rng, (64, 3, 3, 1), groups=64)
    assert len(plan_layer(depthwise, (16, 16, 64), narrow)) > 1
    assert (calls["geometry"], calls["place"]) == (1, 1)
