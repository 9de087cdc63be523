"""Rows of a comparison against ratios worked out by hand."""

import pytest

from shiftbook.api.compare import Price, _costs
from shiftbook.comparison import Load, cheapest, relate

KNOWN = {"accelerator_ge": 300.0, "accelerator_whole_ge": 900.0, "whole_area": 40.0, "delay": 500.0}


def row(**figures: float) -> dict[str, float]:
    return {"ge": 100.0, "whole_ge": 400.0, "cycles": 10, "macs": 50, **KNOWN, **figures}


def test_products_are_related_to_the_first_row() -> None:
    small = row(ge=50.0, whole_ge=360.0, accelerator_whole_ge=450.0, whole_area=30.0, delay=400.0, cycles=5)
    first, second = relate([row(), small])
    assert {name: first[name] for name in first if name.endswith("relative")} == {
        "relative": 1,
        "whole_relative": 1,
        "accelerator_relative": 1,
        "accelerator_whole_relative": 1,
        "timed_relative": 1,
    }
    assert second["relative"] == 50 * 5 / (100 * 10)
    assert second["whole_relative"] == 360 * 5 / (400 * 10)
    assert second["accelerator_whole_relative"] == 450 * 5 / (900 * 10)
    assert second["timed_relative"] == pytest.approx(30 * 5 * 400 / (40 * 10 * 500))
    assert second["gate_cycles"] == 250
    assert second["ge_per_mac"] == 5


def test_what_a_row_does_not_know_is_related_to_nothing() -> None:
    older = row()
    del older["whole_ge"], older["delay"]
    names = {name for name in relate([row(), older])[0] if name.endswith("relative")}
    assert names == {"relative", "accelerator_relative", "accelerator_whole_relative"}


def test_an_engine_is_chosen_with_its_memories() -> None:
    prices = {"small logic": Price(100.0, 900.0), "small memories": Price(200.0, 500.0)}
    found = [Load(name, cycles=10, moved=0) for name in prices]
    assert cheapest(found, _costs(prices)).engine == "small memories"
    unknown = {**prices, "small memories": Price(200.0)}
    assert cheapest(found, _costs(unknown)).engine == "small logic"
