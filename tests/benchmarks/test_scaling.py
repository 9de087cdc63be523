from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.redraw import redrawn
from benchmarks.scaling import DENSITY, DESIGNS, WIDE, Design, earlier, name_of, row, single_pixel_cycles
from benchmarks.tables import TABLES
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.program.image import build
from shiftbook.golden.spec import PRESETS
from tests.benchmarks.test_output_groups import pruned

ROW = {
    "network": "net",
    "kind": "shift4",
    "terms": 256,
    "rows": 8,
    "cols": 8,
    "slots": 4,
    "requantizers": 8,
    "bus": 32,
    "ge": 1000,
    "cycles": 100,
    "product": 100_000,
    "single_pixel": 0.25,
    "spent": {"useful": 3, "idle": 1, "skips": 0, "slot_wait": 2, "drain": 1, "bus": 0, "fill": 1},
}
LARGE = {**ROW, "terms": 1024, "slots": 16, "cycles": 40, "product": 80_000}
DENSE = {**ROW, "kind": "int8", "cycles": 400, "product": 500_000}


def test_designs_have_names_of_their_own_and_one_is_the_preset() -> None:
    assert len(set(map(name_of, DESIGNS))) == len(DESIGNS)
    assert Design("shift4", PRESETS["shift4"], 1) in DESIGNS


def test_a_row_has_the_cycles_of_the_model() -> None:
    network, _ = pruned()
    spec = replace(PRESETS["shift4"], accumulator_width=WIDE)
    image = build(redrawn(network, spec, DENSITY), spec)
    found = row("net", network, Design("shift4", PRESETS["shift4"], 1), 7.0)
    assert found is not None
    assert found["cycles"] == sum(cost.cycles for cost in image.costs())
    assert found["product"] == 7 * found["cycles"]
    assert 0 <= single_pixel_cycles(network, image) <= found["cycles"]


def test_gates_of_an_earlier_run(tmp_path: Path) -> None:
    path = tmp_path / "gates.json"
    path.write_text(json.dumps({"versions": {}, "ge": {name_of(design): 1.0 for design in DESIGNS}}))
    assert set(earlier(path)["ge"]) == set(map(name_of, DESIGNS))
    path.write_text(json.dumps({"versions": {}, "ge": {}}))
    with pytest.raises(ShiftbookError, match="has not the gates of all engines"):
        earlier(path)


def test_tables() -> None:
    study = [{"rows": [ROW, LARGE, DENSE, {**DENSE, "terms": 1024}]}]
    preset, large = TABLES["scaled"](study).splitlines()[2:]
    assert preset == "| 256 | 8x8 | 4 | 8 | 32 | 1,000 | 100 (1.00) | 1.000 |"
    assert large == "| 1,024 | 8x8 | 16 | 8 | 32 | 1,000 | 40 (0.80) | 0.800 |"
    spent = TABLES["scaled_spent"](study).splitlines()[2]
    assert spent.endswith("| 100 | 37.5 % | 12.5 % | 37.5 % | 0.0 % | 0.0 % | 12.5 % | 25.0 % |")
    first, _ = TABLES["scaled_rivals"](study).splitlines()[2:]
    assert first == "| net | 256 | 8x8 | 4 | 8 | 32 | 100 | 8x8, 4, 8 | 400 | 0.200 |"
