"""The tables of energy, from reports of a few numbers."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.energy_tables import energies, silicon
from benchmarks.results import DOCS

AREAS = {
    "int8": {"total_area": 100.0, "memory_area": 300.0, "whole_area": 400.0, "delay": 500.0},
    "shift4": {"total_area": 50.0, "memory_area": 250.0, "whole_area": 300.0, "delay": 400.0},
}


def row(checkpoint: str, preset: str, macs: int, cycles: int, total: float) -> dict[str, Any]:
    described = {"checkpoint": checkpoint, "preset": preset, "macs": macs, "tile_words": 1024}
    return {**described, **AREAS[preset], "cycles": cycles, "pj": total / 2, "total_pj": total}


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]


def test_area_clock_and_energy_are_over_the_first_row_of_the_same_network() -> None:
    networks = [
        {"rows": [row("a_int8.ckpt", "int8", 10, 1000, 8e6), row("a.ckpt", "shift4", 10, 200, 2e6)]},
        {"rows": [row("b.ckpt", "shift4", 99, 7, 1e6)]},
    ]
    int8, shift4, other = cells(silicon(networks))
    assert int8 == [
        "a_int8", "`int8`", "1,024", "100", "300", "400", "500", "1,000", "1.000", "1.000", "4.000", "8.000",
        "1.000",
    ]  # fmt: skip
    assert shift4[8:] == ["0.150", "0.120", "1.000", "2.000", "0.250"]
    assert other[8:] == ["1.000", "1.000", "0.500", "1.000", "1.000"]


def test_a_report_of_one_checkpoint_has_the_area_of_its_engine() -> None:
    one = {"checkpoint": "b.ckpt", "preset": "shift4", "macs": 99, "cycles": 7, "pj": 5e5, "total_pj": 1e6}
    several = {"rows": [row("a_int8.ckpt", "int8", 10, 1000, 8e6), row("a.ckpt", "shift4", 10, 200, 2e6)]}
    *_, shift4, single = cells(silicon([several, one]))
    assert single[:7] == ["b", *shift4[1:7]]
    assert single[7:] == ["7", "1.000", "1.000", "0.500", "1.000", "1.000"]


def test_the_array_whose_area_x_cycles_are_least_has_a_row_without_energy() -> None:
    def array(pixels: int, area: float, cycles: int, network: str = "a_int8") -> dict[str, Any]:
        areas = {"total_area": 20.0, "memory_area": area - 20, "whole_area": area, "delay": 250.0}
        return {"network": network, "pixels": pixels, "outputs": 4, "inputs": 8, "cycles": cycles, **areas}

    arrays = {"terms": 256, "rows": [array(8, 200.0, 1900), array(4, 300.0, 1000), array(4, 1.0, 1, "b")]}
    *_, best = cells(silicon([{"rows": [row("a_int8.ckpt", "int8", 10, 1000, 8e6)]}, arrays]))
    assert best == [
        "a_int8", "dense array 4x4x8", "", "20", "280", "300", "250", "1,000", "0.750", "0.375", "", "", ""
    ]  # fmt: skip


def test_reports_of_one_checkpoint_and_of_several_make_the_same_rows() -> None:
    banks = {"name": "activation banks", "pj": 3e6}
    one = {**row("a.ckpt", "shift4", 10, 200, 2e6), "lanes": "8x8", "pj": 4e6, "memories": [banks]}
    assert energies([one, one]) == energies([{"rows": [one, one]}])
    assert cells(energies([one]))[0][-2:] == ["75 %", "1.000"]


def test_engines_have_the_areas_of_the_gate_report() -> None:
    """One command maps each engine alone, the other one all of them together."""
    rows = json.loads((DOCS / "results" / "silicon_resnet20.json").read_text())["rows"]
    engines = json.loads((DOCS / "results" / "asap7.json").read_text())["engines"]
    fields = ("total_area", "memory_area", "whole_area", "delay", "delay_module")
    assert len(rows) == 5
    for row in rows:
        assert {name: row[name] for name in fields} == {name: engines[row["preset"]][name] for name in fields}
