"""The cycle model is the machine: its cycles against those that the RTL counts, layer by layer."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest

from shiftbook.golden.isa import buffers
from shiftbook.golden.mapping import course
from shiftbook.golden.model.network import Network
from shiftbook.golden.program import image
from shiftbook.golden.program.image import Image
from shiftbook.golden.spec import Spec
from shiftbook.sim.driver import run_rtl
from tests.sim.networks import QUICK, SPECS, everything, filling, gates, joined, residuals
from tests.sim.test_random_layers import network

LATENCIES = (0, 300)
"""Of memories, in cycles."""

RANDOM = 2
"""Networks of ten layers on each accelerator."""

ON_REQUEST = 40
"""The same, of the long test: 200 on five accelerators."""

EXACT, FAR = 0.9, 10
"""Share of layers of which the model says every cycle; and cycles off beyond which it does not matter
how far."""


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
        yield count(network(rng, SPECS[name]), SPECS[name], int(rng.integers(*LATENCIES)))


@pytest.fixture(scope="module")
def networks() -> list[Counted]:
    """Every kind of layer, also with tensors that stay on the chip; random ones on three accelerators."""
    on_chip = replace(SPECS["shift"], tensor_kib=4)
    found = [
        count(make(spec), spec, latency)
        for make, spec, latency in (
            (everything, SPECS["shift"], 300),
            (everything, SPECS["odd"], 100),
            (joined, SPECS["shift"], 300),
            (filling, SPECS["odd"], 300),
            (everything, on_chip, 100),
            (residuals, on_chip, 300),
            (gates, on_chip, 0),
        )
    ]
    return [*found, *(each for name in QUICK for each in random_networks(name, RANDOM))]


def mean_error(networks: list[Counted]) -> float:
    """Cycles that a layer is off, those beyond `FAR` not counted."""
    return float(np.mean([min(abs(error), FAR) for each in networks for error in each.errors()]))


def constants() -> dict[str, list[ModuleType]]:
    """Every number of cycles in the model, and those of buffers: the modules that know it."""
    found: dict[str, list[ModuleType]] = {}
    for each in pkgutil.iter_modules(course.__path__, course.__name__ + "."):
        module = importlib.import_module(each.name)
        for name in vars(module):
            if name.endswith("_STEPS") or (name.isupper() and hasattr(buffers, name)):
                found.setdefault(name, []).append(module)
    return found


def test_cycles_are_those_of_the_rtl(networks: list[Counted]) -> None:
    assert max(each.error() for each in networks) < 0.01
    assert np.mean([error == 0 for each in networks for error in each.errors()]) > EXACT


def test_no_constant_can_be_another(networks: list[Counted], monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is further off with any constant that is one more or one less."""
    best = mean_error(networks)
    others = {}
    for name, modules in constants().items():
        for change in (-1, 1):
            with monkeypatch.context() as patch:
                for module in modules:
                    patch.setattr(module, name, getattr(module, name) + change)
                others[name, change] = mean_error(networks)
    assert len(others) >= 32
    assert [which for which, error in others.items() if error <= best] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECS)
def test_cycles_of_random_networks(name: str) -> None:
    assert max(each.error() for each in random_networks(name, ON_REQUEST)) < 0.03
