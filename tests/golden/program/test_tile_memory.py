"""How small activation banks may be: never 1 % of the cycles, and never too small for a layer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.network import Network
from shiftbook.golden.program import tile_memory
from shiftbook.golden.program.image import build
from shiftbook.golden.program.tile_memory import shared_tile_words, smallest_tile_words
from shiftbook.golden.spec import DEFAULT, Spec
from tests.sim.networks import SMALL, everything, filling, wide


def cycles(network: Network, spec: Spec, words: int) -> int:
    return sum(cost.cycles for cost in build(network, replace(spec, tile_words=words)).costs())


@pytest.mark.parametrize("make", [everything, wide])
def test_smaller_banks_cost_a_hundredth_and_no_more(make):
    network, spec = make(SMALL), replace(SMALL, tile_words=2048)
    words = smallest_tile_words(network, spec)
    best = cycles(network, spec, 2048)
    assert 64 <= words < 2048
    assert cycles(network, spec, words) < 1.01 * best
    assert words == 64 or cycles(network, spec, words // 2) >= 1.01 * best


def test_another_share_chooses_other_banks(monkeypatch):
    network, spec = wide(SMALL), replace(SMALL, tile_words=2048)
    usual = smallest_tile_words(network, spec)
    monkeypatch.setattr(tile_memory, "COST", 10)
    assert smallest_tile_words(network, spec) < usual


def test_banks_that_are_too_small_grow(monkeypatch):
    network = wide(SMALL)
    honest = tile_memory.build

    def refused_below_512(network: Network, spec: Spec, batch: int) -> object:
        if spec.tile_words < 512:
            raise ShiftbookError(f"raise tile_words above {spec.tile_words}")
        return honest(network, spec, batch)

    monkeypatch.setattr(tile_memory, "build", refused_below_512)
    assert smallest_tile_words(network, SMALL) == 512


def test_what_no_banks_can_run_is_refused_as_with_its_own():
    network = everything(SMALL)
    with pytest.raises(ShiftbookError, match="slots"):
        smallest_tile_words(network, replace(SMALL, slots=3))


def test_the_hungriest_network_decides():
    small, large = everything(SMALL), wide(SMALL)
    spec = replace(SMALL, tile_words=2048)
    each = [smallest_tile_words(network, spec) for network in (small, large)]
    assert shared_tile_words([small, large], [spec]) == max(each)
    assert shared_tile_words([small], [replace(SMALL, terms=((7, 7),))]) is None
    assert shared_tile_words([], [DEFAULT]) is None


def test_a_single_group_may_fill_the_banks():
    """Its step, which nothing takes, would not fit the register."""
    spec = replace(SMALL, tile_words=64)
    (full,) = (step for step in build(filling(spec), spec).plan.passes if step.node == "full")
    assert full.layout.local_channels == spec.tile_words
