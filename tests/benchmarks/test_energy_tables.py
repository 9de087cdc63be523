"""The tables of energy, from reports of a few numbers."""

from __future__ import annotations

from typing import Any

from benchmarks.energy_tables import silicon

ENGINES = {
    "int8": {"total_area": 100.0, "memory_area": 300.0, "whole_area": 400.0, "delay": 500.0},
    "shift4": {"total_area": 50.0, "memory_area": 250.0, "whole_area": 300.0, "delay": 400.0},
}


def report(checkpoint: str, preset: str, macs: int, cycles: int, total: float) -> dict[str, Any]:
    return {"checkpoint": checkpoint, "preset": preset, "macs": macs, "cycles": cycles, "total_pj": total}


def test_area_clock_and_energy_are_over_the_first_row_of_the_same_network() -> None:
    text = silicon(
        [
            {"engines": ENGINES},
            report("a_int8.ckpt", "int8", 10, 1000, 8e6),
            report("a.ckpt", "shift4", 10, 200, 2e6),
            report("b.ckpt", "shift4", 99, 7, 1e6),
        ]
    )
    _, _, int8, shift4, other = [[cell.strip() for cell in row.split("|")[1:-1]] for row in text.splitlines()]
    assert int8 == [
        "a_int8", "`int8`", "100", "300", "400", "500", "1,000", "1.000", "1.000", "8.000", "1.000"
    ]  # fmt: skip
    assert shift4[7:] == ["0.150", "0.120", "2.000", "0.250"]
    assert other[7:] == ["1.000", "1.000", "1.000", "1.000"]
