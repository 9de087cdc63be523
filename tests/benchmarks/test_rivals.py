from __future__ import annotations

import pytest

from benchmarks.rivals import REQUANTIZERS, SLOTS, TERMS, related, settings
from benchmarks.tables import SHOWN_RIVALS, TABLES
from shiftbook.golden.spec import PRESETS


@pytest.mark.parametrize("preset", ["int8", "int8_sparse"])
def test_settings_have_equal_terms_and_the_preset_is_one(preset: str) -> None:
    found = list(settings(preset, SLOTS, REQUANTIZERS))
    assert {spec.slots * spec.lanes for spec in found} == {TERMS}
    assert {spec.slots for spec in found} == set(SLOTS)
    assert len(set(found)) == len(found)
    assert PRESETS[preset] in found


def test_rows_are_related_to_the_best_of_their_engine() -> None:
    rows = [{"engine": "a", "product": 4.0}, {"engine": "a", "product": 2.0}, {"engine": "b", "product": 9.0}]
    assert [row["relative"] for row in related(rows)] == [2.0, 1.0, 1.0]


def test_the_table_shows_the_best_and_the_preset() -> None:
    row = {
        "engine": "int8",
        "rows": 8,
        "cols": 8,
        "slots": 4,
        "requantizers": 8,
        "ge": 2e5,
        "lane_ge": 2e3,
        "cycles": 100,
        "product": 2e7,
        "relative": 1.0,
    }
    rows = [{**row, "cycles": 100 + place, "preset": place == SHOWN_RIVALS + 2} for place in range(12)]
    text = TABLES["rivals"]([{"rows": rows}])
    assert text.count("\n") == 2 + SHOWN_RIVALS + 1
    assert "`int8`, preset" in text.splitlines()[-1]
    assert "| 108 |" in text.splitlines()[-1]


def test_checkpoints_are_related_to_the_best() -> None:
    study = [
        {"engine": "int8", "product": 40.0, "relative": 1.0},
        {"engine": "int8", "product": 50.0, "relative": 1.25},
        {"engine": "int8_sparse", "product": 20.0, "relative": 1.0},
    ]
    row = {"checkpoint": "net.ckpt", "engine": "shift", "accuracy": 0.5, "gate_cycles": 10.0}
    text = TABLES["against"]([{"rows": study}, {"rows": [row]}])
    assert text.splitlines()[-1] == "| net | `shift` | 50.00 % | 0.00 | 0.250 | 0.500 |"
