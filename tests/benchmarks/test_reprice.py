from __future__ import annotations

from typing import Any

import pytest

from benchmarks.reprice import repriced
from shiftbook.comparison import relate
from shiftbook.golden.errors import ShiftbookError


def report(ge: float, slots: int = 4) -> dict[str, Any]:
    shift = {"total_ge": 50.0, "accelerator_ge": 60.0, "spec": {"slots": 4}}
    int8 = {"total_ge": ge, "accelerator_ge": ge + 10, "spec": {"slots": slots}}
    return {"engines": {"int8": int8, "shift": shift}}


def rows() -> list[dict[str, Any]]:
    sizes = {"macs": 1000, "accuracy": 0.9}
    return relate(
        [
            {
                "checkpoint": "a",
                "engine": "int8",
                "ge": 100.0,
                "accelerator_ge": 110.0,
                "cycles": 10,
                **sizes,
            },
            {"checkpoint": "b", "engine": "shift", "ge": 50.0, "accelerator_ge": 60.0, "cycles": 8, **sizes},
        ]
    )


def test_cycles_stay_and_ratios_follow() -> None:
    first, second = repriced(rows(), report(100.0), report(80.0))
    assert (first["ge"], first["accelerator_ge"], first["cycles"]) == (80.0, 90.0, 10)
    assert second["relative"] == 50 * 8 / (80 * 10)
    assert second["accelerator_relative"] == 60 * 8 / (90 * 10)
    assert first["ge_per_mac"] == 80 * 10 / 1000


def test_totals_come_from_a_report_that_has_them() -> None:
    new = report(100.0)
    for engine in new["engines"].values():
        engine |= {
            "whole_ge": engine["total_ge"] + 300,
            "accelerator_whole_ge": engine["accelerator_ge"] + 400,
        }
    first, second = repriced(rows(), report(100.0), new)
    assert second["whole_relative"] == 350 * 8 / (400 * 10)
    assert second["accelerator_whole_relative"] == 460 * 8 / (510 * 10)
    assert "timed_relative" not in first


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (report(100.0), report(80.0, slots=8), "int8 has another spec .* cycles of a must be measured anew"),
        (report(90.0), report(80.0), "a was compared with 100.0 gates of engine int8, .* report has 90.0"),
        (report(100.0), {"engines": {"shift": {}}}, "int8 is not in a gate report, which has shift"),
    ],
)
def test_what_cannot_be_repriced(old: dict[str, Any], new: dict[str, Any], message: str) -> None:
    with pytest.raises(ShiftbookError, match=message):
        repriced(rows(), old, new)
