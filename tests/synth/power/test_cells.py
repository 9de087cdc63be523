"""Cells of Liberty files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.synth.power.cells import load_cells
from tests.synth.power.library import CELLS, VOLTAGE, write


def test_cells_are_what_the_files_say(tmp_path) -> None:
    paths = sorted(write(tmp_path).iterdir())
    found = load_cells(paths, CELLS)
    loads = np.array([0.5, 1.0, 3.0, 9.0, 40.0])
    assert found.voltage == VOLTAGE
    assert found.cells.keys() == CELLS.keys()
    for name, plain in CELLS.items():
        cell = found.cells[name]
        assert cell.capacitance == plain.pins
        assert cell.delays[plain.output].at(loads) == pytest.approx(plain.delay[0] + plain.delay[1] * loads)
        assert len(cell.arcs) == len(plain.powers)  # those of the ground are left out
        for power in plain.powers:
            same = [arc for arc in cell.arcs if (arc.pin, arc.related or "") == (power.pin, power.related)]
            rises = [(arc.rise.at(loads) * 1e3).tolist() for arc in same]
            assert pytest.approx((power.rise[0] + power.rise[1] * loads).tolist()) in rises
    assert found.cells["DFF"].inputs == ("D",)
    assert found.cells["DFF"].flip_flop is not None


def test_units_are_those_of_the_file(tmp_path) -> None:
    (first, *_) = sorted(write(tmp_path).iterdir())
    text = first.read_text().replace("(1, ff)", "(10, ff)").replace('"1ps"', '"0.001ns"')
    first.write_text(text)
    cell = load_cells([first], ["INV"]).cells["INV"]
    assert cell.capacitance["A"] == pytest.approx(10 * CELLS["INV"].pins["A"])
    assert cell.delays["Y"].at(np.array([10.0])) == pytest.approx(12.0)
    assert cell.arcs[0].rise.at(np.array([10.0])) * 1e3 == pytest.approx(10 * CELLS["INV"].powers[0].rise[0])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cell (INV)", "cell (VIN)", "no Liberty file has the cell INV"),
        ("nom_voltage", "some_voltage", "must tell time_unit, capacitive_load_unit and nom_voltage"),
        ('function : "!A";', "", "cell INV must be a gate or a flip-flop of one clock edge"),
        ('clocked_on : "CK"', 'clocked_on : "!CK"', "cell DFF must be a flip-flop of one rising clock edge"),
        (
            'next_state : "D";',
            'next_state : "D"; clear : "!D";',
            "without a reset of its own, to be priced; else leave the logic out",
        ),
        ("values (", 'values ("1, 2", ', "no such table"),
    ],
)
def test_what_cannot_be_priced_is_refused(old: str, new: str, message: str, tmp_path) -> None:
    (first, *_) = sorted(write(tmp_path).iterdir())
    first.write_text(first.read_text().replace(old, new))
    with pytest.raises(ShiftbookError, match=message):
        load_cells([first], ["INV", "DFF"])


def test_files_of_two_voltages_are_refused(tmp_path) -> None:
    first, second, *_ = sorted(write(tmp_path).iterdir())
    second.write_text(second.read_text().replace(f"nom_voltage : {VOLTAGE}", "nom_voltage : 0.9"))
    with pytest.raises(ShiftbookError, match=r"must have one supply voltage, not \[0.5, 0.9\]"):
        load_cells([first, second], ["INV"])


def test_a_library_without_energies_is_refused(tmp_path) -> None:
    plain = {name: replace(cell, powers=()) for name, cell in CELLS.items()}
    with pytest.raises(ShiftbookError, match="tells no internal energy"):
        load_cells(sorted(write(tmp_path, plain).iterdir()), ["INV"])
