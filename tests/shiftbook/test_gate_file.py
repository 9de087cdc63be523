"""Gate counts from a file: what is wrong with it is said in one line, and no odd number is computed with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shiftbook.cli import main
from shiftbook.gate_file import read_engines
from shiftbook.golden.errors import ShiftbookError

SHARED = Path(__file__).parents[2] / "docs" / "results"
GRID = '{"rows": 8, "cols": 8, "bus_bytes": 32}'


def entry(**changes: str) -> str:
    """An engine as JSON; an empty text leaves a field out."""
    fields = {"spec": GRID, "total_ge": "100.5", **changes}
    return "{" + ", ".join(f'"{name}": {text}' for name, text in fields.items() if text) + "}"


def with_engine(**changes: str) -> str:
    return f'{{"engines": {{"shift": {entry(**changes)}}}}}'


def test_what_gates_wrote_is_read() -> None:
    for file, lanes in (("gates.json", "8x8"), ("asap7.json", "8x8"), ("gates16.json", "16x16")):
        found = read_engines(SHARED / file, lanes, ["shift", "shift4"], 1024)
        expected = json.loads((SHARED / file).read_text())["engines"]
        for name, engine in found.items():
            assert engine.total_ge == expected[name]["total_ge"]
            assert engine.accelerator_ge == expected[name].get("accelerator_ge")
            assert engine.spec.bus_bytes == 32


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no JSON: Expecting value"),
        ("[" * 100_000, "is no JSON: its values are nested too deep"),
        ("null", "is not what `shiftbook gates --json` writes: it: "),
        ("[]", "is not what `shiftbook gates --json` writes: it: "),
        ('{"rows": []}', "engines: Field required"),
        ('{"engines": []}', "engines: Input should be a valid dictionary, not []"),
        ('{"engines": {}}', "engines: Dictionary should have at least 1 item"),
        ('{"engines": {"shift": 3}}', "engines.shift: "),
        ('{"engines": {"\\u001b[31m": 3}}', "engines.\\x1b[31m: "),
        (with_engine(spec=""), "engines.shift.spec: Field required"),
        (with_engine(spec="8"), "engines.shift.spec: "),
        (with_engine(spec='{"rows": 8}'), "engines.shift.spec.cols: Field required"),
        (with_engine(spec='{"rows": 8, "cols": "\\n8"}'), "engines.shift.spec.cols: "),
        (with_engine(spec='{"rows": 8, "cols": true}'), "engines.shift.spec.cols: "),
        (with_engine(spec='{"rows": -8, "cols": 8}'), "greater than or equal to 1, not -8"),
        (with_engine(spec='{"rows": 8, "cols": 8, "bus_bytes": [1]}'), "engines.shift.spec.bus_bytes: "),
        (with_engine(total_ge=""), "engines.shift.total_ge: Field required"),
        (with_engine(total_ge='"x"'), "engines.shift.total_ge: Input should be a valid number, not 'x'"),
        (with_engine(total_ge="null"), "engines.shift.total_ge: Input should be a valid number, not None"),
        (with_engine(total_ge="[1]"), "engines.shift.total_ge: Input should be a valid number, not [1]"),
        (with_engine(total_ge="true"), "engines.shift.total_ge: Input should be a valid number, not True"),
        (with_engine(total_ge="NaN"), "is no JSON: NaN is no JSON number"),
        (with_engine(total_ge="Infinity"), "is no JSON: Infinity is no JSON number"),
        (with_engine(total_ge="1e999"), "is no JSON: 1e999 is beyond the range of 64-bit floats"),
        (with_engine(total_ge="-5"), "engines.shift.total_ge: Input should be greater than 0, not -5"),
        (with_engine(total_ge="0"), "engines.shift.total_ge: Input should be greater than 0, not 0"),
        (with_engine(total_ge="1e300"), "engines.shift.total_ge: Input should be less than or equal to"),
        (with_engine(total_ge="9" * 290), "is no JSON: an integer has 290 digits, more than 20"),
        (with_engine(total_ge="9" * 400), "is no JSON: an integer has 400 digits, more than 20"),
        (with_engine(total_ge="9" * 5000), "is no JSON: an integer has 5000 digits, more than 20"),
        (with_engine(accelerator_ge='"zz"'), "engines.shift.accelerator_ge: "),
        (with_engine(accelerator_ge="-1"), "engines.shift.accelerator_ge: "),
    ],
)
def test_odd_files_are_refused_in_one_line(
    checkpoint: Path, text: str, message: str, tmp_path: Path, capsys
) -> None:
    file = tmp_path / "g.json"
    file.write_text(text)
    assert main(["compare", str(checkpoint), "--gates", str(file), "--engines", "shift"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {file} ")
    assert message in err
    assert "is not what `shiftbook gates --json` writes" in err
    assert err.count("\n") == 1
    assert len(err) < 600


def test_an_engine_of_other_lanes_is_none(tmp_path: Path) -> None:
    file = tmp_path / "g.json"
    file.write_text(with_engine())
    assert read_engines(file, "8x8", ["shift"], 1024)["shift"].total_ge == 100.5
    with pytest.raises(ShiftbookError, match=r"has no engine shift of 4x4 lanes: it has shift of 8x8; name"):
        read_engines(file, "4x4", ["shift"], 1024)
    with pytest.raises(ShiftbookError, match=r"has no engine int8 of 8x8 lanes: it has shift of 8x8; name"):
        read_engines(file, "8x8", ["int8"], 1024)
