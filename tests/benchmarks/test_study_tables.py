"""Tables of studies: what was chosen, what was measured, and which points no other beats."""

from __future__ import annotations

from typing import Any

from benchmarks.tables import DEFAULT_ENGINE, TABLES


def point(preset: str, density: float, cycles: int | None, front: bool = False) -> dict[str, Any]:
    values = {"accuracy": None if cycles is None else 0.875, "cycles": cycles}
    error = "its weights do not fit" if cycles is None else None
    engine = {**DEFAULT_ENGINE, "preset": preset}
    compression = {"scheme": "shift", "density": density}
    return {"compression": compression, "engine": engine, "values": values, "error": error, "front": front}


REPORT = {
    "objectives": {"accuracy": "max", "cycles": "min"},
    "points": [
        point("shift", 0.5, 12_345),
        point("two_term", 0.5, 9_876, front=True),
        point("focused", 0.25, 20_000),
        point("shift4", 0.25, None),
    ],
}


def test_a_study_has_a_row_for_each_point_that_did_not_fail() -> None:
    assert TABLES["study"]([REPORT]).splitlines() == [
        "| density | preset | accuracy | cycles | on the front |",
        "| --- | --- | --- | --- | --- |",
        "| 0.5 | two_term | 87.50 % | 9,876 | yes |",
        "| 0.5 | shift | 87.50 % | 12,345 |  |",
        "| 0.25 | focused | 87.50 % | 20,000 |  |",
    ]


def test_the_front_stands_beside_the_default_engine() -> None:
    rows = TABLES["front"]([REPORT]).splitlines()[2:]
    assert [row.split(" | ")[1] for row in rows] == ["two_term", "shift"]
