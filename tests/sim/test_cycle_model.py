"""The cycle model is the machine: its cycles against those that the RTL counts, layer by layer."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest

from shiftbook.golden.mapping import course
from shiftbook.golden.model.network import Network
from shiftbook.golden.program import image
from shiftbook.golden.program.image import Image
from shiftbook.golden.spec import Spec
from shiftbook.sim.driver import run_rtl
from tests.sim.networks import QUICK, SPECS, everything, wide
from tests.sim.test_random_layers import network

MEAN_ERROR = 1.3
"""Cycles a layer, of the networks below: more than the model is off, and less than with any constant changed."""

RANDOM = 5
"""Networks of ten layers on each accelerator."""

ON_REQUEST = 40
"""The same, of the long test: 200 on five accelerators."""


class Counted(NamedTuple):
    """A network, and the cycles of its layers on the RTL."""

    built: Image
    latency: int
    cycles: dict[str, int]

    def errors(self) -> list[int]:
        """Cycles of the model beyond those of the RTL, by layer."""
        model: Counter[str] = Counter()
        for step, cost in zip(self.built.plan.passes, self.built.costs(self.latency), strict=True):
            model[step.node] += cost.cycles
        return [model[name] - cycles for name, cycles in self.cycles.items()]

    def error(self) -> float:
        """Share of the whole network's cycles."""
        return abs(sum(self.errors())) / sum(self.cycles.values())


def count(drawn: Network, spec: Spec, latency: int) -> Counted:
    """Run a network on the RTL; cycles do not depend on its pixels."""
    pixels = np.zeros((1, *drawn.input.shape), np.uint8)
    layers = run_rtl(drawn, pixels, spec, latency=latency).layers
    return Counted(image.build(drawn, spec), latency, {each.name: each.counters.cycles for each in layers})


def random_networks(name: str, number: int) -> Iterator[Counted]:
    """Networks of ten random layers with memories of random latency."""
    rng = np.random.default_rng([number, *name.encode()])
    for _ in range(number):
        yield count(network(rng, SPECS[name]), SPECS[name], int(rng.integers(0, 120)))


@pytest.fixture(scope="module")
def networks() -> list[Counted]:
    """Every kind of layer on three accelerators."""
    found = [count(make(SPECS[name]), SPECS[name], 100) for name in QUICK for make in (everything, wide)]
    return [*found, *(each for name in QUICK for each in random_networks(name, RANDOM))]


def mean_error(networks: list[Counted]) -> float:
    """Cycles a layer."""
    return float(np.mean(np.abs([error for each in networks for error in each.errors()])))


def constants() -> Iterator[tuple[ModuleType, str]]:
    """Every number of the model, and those that it shares with the hardware."""
    for found in pkgutil.iter_modules(course.__path__, course.__name__ + "."):
        module = importlib.import_module(found.name)
        for name, value in vars(module).items():
            if name.isupper() and isinstance(value, int) and value < 100:
                yield module, name


def test_cycles_are_those_of_the_rtl(networks: list[Counted]) -> None:
    assert max(each.error() for each in networks) < 0.01
    assert mean_error(networks) < MEAN_ERROR


def test_no_constant_can_be_another(networks: list[Counted], monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above fails with any constant that is one more or one less."""
    fits = []
    for module, name in constants():
        for change in (-1, 1):
            with monkeypatch.context() as patch:
                patch.setattr(module, name, getattr(module, name) + change)
                if mean_error(networks) < MEAN_ERROR:
                    fits.append((module.__name__, name, change))
    assert fits == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECS)
def test_cycles_of_random_networks(name: str) -> None:
    assert max(each.error() for each in random_networks(name, ON_REQUEST)) < 0.03
