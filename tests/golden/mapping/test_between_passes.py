"""Tensors that lie between the passes of a layer: their place has all channels that any pass writes."""

from __future__ import annotations

import numpy as np
import pytest

from shiftbook.golden.model.network import Input, Network
from shiftbook.golden.model.nodes import Node, Resample
from shiftbook.golden.model.weights import Requantize
from shiftbook.golden.program import image
from shiftbook.sim.driver import run_rtl
from tests.hw.small import small
from tests.sim.networks import drawn

SPEC = small("shift", tile_words=64)


def plain(channels: int) -> Requantize:
    return Requantize(np.zeros(channels, np.int64), np.full(channels, 256), np.full(channels, 8))


def resampled(channels: int, height: int, width: int, rows: int) -> Network:
    index, weights = np.arange(rows) % height, np.full((rows, 1), 64, np.int16)
    node = Resample("up", "image", "rows", index, weights, 6)
    return Network(Input("image", (height, width, channels), plain(channels)), (node,), SPEC.slots)


def far_apart(channels: int) -> Network:
    """A depthwise layer whose taps look so far that it reads a padded copy."""
    random = np.random.default_rng(1)
    nodes: tuple[Node, ...] = (
        drawn("stem", "image", (channels, 1, 1, 3), 13, SPEC, random),
        drawn(
            "far",
            "stem",
            (channels, 3, 3, 1),
            12,
            SPEC,
            random,
            padding=(9,) * 4,
            dilation=(9, 9),
            groups=channels,
        ),
    )
    return Network(Input("image", (9, 9, 3), plain(3)), nodes, SPEC.slots)


NETWORKS = {
    "a pixel": resampled(150, 1, 1, 4),
    "a row of tiles": resampled(150, 2, 9, 4),
    "more rows": resampled(150, 4, 5, 8),
    "a padded copy": far_apart(80),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_no_pass_writes_beyond_its_tensor(name: str) -> None:
    built = image.build(NETWORKS[name], SPEC)
    for step in built.plan.passes:
        layout = built.places[step.target.tensor].layout
        assert step.target.first + step.target.channels <= layout.channels
        assert step.target.whole <= layout.channels


@pytest.mark.parametrize("name", ["a pixel", "more rows", "a padded copy"])
def test_channels_in_groups_are_the_golden_model_s(name: str) -> None:
    network = NETWORKS[name]
    pixels = np.random.default_rng(0).integers(0, 256, (2, *network.input.shape), np.uint8)
    run_rtl(network, pixels, SPEC, batch=2)
