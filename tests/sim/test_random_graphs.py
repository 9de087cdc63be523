"""Graphs that branch and join, on the simulated accelerator under random backpressure.

A hundred small ones each time; 3,000 of up to four blocks on request, in tests of a hundred seeds. Processes
can share these, and they can be chosen by their first seed:

    python -m pytest -m slow tests/sim/test_random_graphs.py
    python -m pytest -m slow tests/sim/test_random_graphs.py -k "1200 or 1300"

The names of layers begin with the seed of their graph: ``graph(seed, ...)`` makes it again.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from shiftbook.golden.model.nodes import Concat, Conv, Gate, Interleave, Pool, Resample, Subsample
from shiftbook.golden.model.validate import shapes
from shiftbook.sim.driver import run_rtl
from tests.sim.networks import SMALL
from tests.sim.random_graphs import IMAGES, forest

TOGETHER = 20
"""Graphs in a simulation."""

PART, ALL = 100, 3000
"""Graphs in a test, and in all of them."""


def run_graphs(first: int, most: int) -> None:
    """Every integer of the graphs of `PART` seeds, compared with golden."""
    for number, begin in enumerate(range(first, first + PART, TOGETHER)):
        image = IMAGES[number % len(IMAGES)]
        network = forest(begin, TOGETHER, most, image, SMALL)
        rng = np.random.default_rng(begin)
        pixels = rng.integers(0, 256, (1, *image), np.uint8)
        pauses = (0.0, 0.1, 0.3)[number % 3]
        run_rtl(network, pixels, SMALL, latency=int(rng.integers(1, 20)), pauses=pauses, seed=begin + 1)


def test_a_hundred_random_graphs() -> None:
    run_graphs(0, most=2)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, ALL, PART))
def test_random_graphs(first: int) -> None:
    run_graphs(first, most=4)


def test_graphs_have_everything() -> None:
    """Nodes of all kinds, products of maps, tensors that several read, sums, functions, several results."""
    networks = [
        forest(begin, TOGETHER, 2, image, SMALL) for begin, image in zip((0, 20), IMAGES, strict=False)
    ]
    nodes = [node for network in networks for node in network.nodes]
    read = Counter(name for node in nodes for name in set(node.inputs))
    convs = [node for node in nodes if isinstance(node, Conv)]
    assert {Concat, Conv, Gate, Interleave, Pool, Resample, Subsample} == {type(node) for node in nodes}
    sizes = {name: shape for network in networks for name, shape in shapes(network).items()}
    assert any(isinstance(node, Gate) and sizes[node.gate][:2] != (1, 1) for node in nodes)
    assert sum(count > 1 for count in read.values()) > 5
    assert sum(conv.residual is not None for conv in convs) > 5
    assert any(conv.residual is not None and conv.requantize.function for conv in convs)
    assert all(len(network.results) > TOGETHER for network in networks)
