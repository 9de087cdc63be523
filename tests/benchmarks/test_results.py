"""Tables of the documents: those that are there are those that their files give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.results import documents, render
from shiftbook.golden.errors import ShiftbookError

TABLE = "before\n<!-- table: {} -->\n| typed |\n<!-- end of table -->\nafter\n"


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_tables_are_not_stale(document: Path) -> None:
    assert render(document) == document.read_text(encoding="utf-8"), "run: make results"


def compared(cycles: int, ge: float, **more: object) -> dict[str, object]:
    return {
        "checkpoint": "some/net.ckpt",
        "scheme": "shift",
        "density": 0.125,
        "macs": 1000,
        "stored_bits": 17,
        "ratio": 4.0,
        "moved_bytes": 4000,
        "engine": "two_term",
        "cycles": cycles,
        "ge": ge,
        **more,
    }


def test_rows_of_several_files_are_related_to_the_first(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"rows": [compared(100, 10.0)]}))
    (tmp_path / "b.json").write_text(json.dumps({"rows": [compared(50, 5.0, accuracy=0.5)]}))
    document = tmp_path / "doc.md"
    document.write_text(TABLE.format("compare a.json b.json"))
    lines = render(document).splitlines()
    assert lines[0] == "before"
    assert lines[-1] == "after"
    assert lines[4] == "| net | shift | 12 % | 1,000 | 3 | 4,000 | `two_term` | 100 | 10 | 1 |  | 1.000 |  |"
    assert (
        lines[5]
        == "| net | shift | 12 % | 1,000 | 3 | 4,000 | `two_term` | 50 | 5 | 0 | 50.00 % | 0.250 |  |"
    )
    document.write_text(render(document))
    assert render(document) == document.read_text()
    document.write_text(TABLE.format("compare a.json b.json:other"))
    assert len(render(document).splitlines()) == len(lines) - 1
    rows = [compared(100, 10.0, preset="shift"), compared(50, 5.0, preset="two_term")]
    (tmp_path / "a.json").write_text(json.dumps({"rows": rows}))
    for chosen, shown in (("net", [100, 50]), ("net@two_term", [50]), ("net@shift,net@two_term", [100, 50])):
        document.write_text(TABLE.format(f"compare a.json:{chosen}"))
        cells = [line.split("|") for line in render(document).splitlines()[4:-2]]
        assert [int(row[8]) for row in cells] == shown


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "nothing a.json",
            "doc.md: there is no table 'nothing': choose of compare, stored, gates, flat, cells, totals, ",
        ),
        ("compare missing.json", "doc.md: .*missing.json: No such file"),
        ("compare a.json", "no table 'compare' can be made of a.json: it lacks 'rows'"),
    ],
)
def test_what_cannot_be_rendered_is_told(tmp_path: Path, table: str, message: str) -> None:
    (tmp_path / "a.json").write_text("{}")
    document = tmp_path / "doc.md"
    document.write_text(TABLE.format(table))
    with pytest.raises(ShiftbookError, match=message):
        render(document)


def test_areas_and_their_ratios_stay_apart(tmp_path: Path) -> None:
    logic = {"lane_area": 72.26, "total_area": 9745.6, "lane_delay": 710.8, "delay": 1290.1}
    engine = {**logic, "memory_area": 200000.4, "whole_area": 209746.0}
    report = {
        "engines": {"shift": engine},
        "ratios": {"shift": {"lane_area": 0.468, "area": 0.686, "whole_area": 0.97, "delay": 1.0}},
    }
    (tmp_path / "a.json").write_text(json.dumps(report))
    document = tmp_path / "doc.md"
    document.write_text(TABLE.format("cells a.json"))
    row = "| `shift` | 209,746 | 0.970 | 9,745.6 | 0.686 | 200,000 | 72.3 | 0.468 | 711 | 1,290 |"
    assert row in render(document)


def test_a_chip_has_a_row_without_multipliers_and_one_with(tmp_path: Path) -> None:
    placed = {"lut": 5216, "carry": 1121, "flip_flop": 1890, "block_ram": 32, "dsp": 0, "fmax": 46.74}
    engines = {"int8": {"lut": placed, "dsp": {**placed, "lut": 4000, "dsp": 12}}, "shift": {"lut": placed}}
    ratios = {"int8": {"lut": {"lut": 1.0, "fmax": 1.0}, "dsp": {"lut": 0.77, "fmax": 1.0}}}
    (tmp_path / "a.json").write_text(json.dumps({"device": "HX8K", "engines": engines, "ratios": ratios}))
    document = tmp_path / "doc.md"
    document.write_text(TABLE.format("chip a.json"))
    assert render(document).splitlines()[4:7] == [
        "| HX8K | `int8` | 5,216 | 1.000 | 1,121 | 1,890 | 32 | 0 | 46.7 | 1.000 |",
        "| HX8K | `int8` | 4,000 | 0.770 | 1,121 | 1,890 | 32 | 12 | 46.7 | 1.000 |",
        "| HX8K | `shift` | 5,216 |  | 1,121 | 1,890 | 32 | 0 | 46.7 |  |",
    ]


def test_parts_of_all_lane_slot_cycles_add_up_to_all(tmp_path: Path) -> None:
    parts = ("useful", "idle", "skips", "slot_wait", "drain", "bus", "fill")
    spent = dict(zip(parts, (500, 120, 5, 25, 150, 0, 200), strict=True))
    result = {"checkpoint": "some/net.ckpt", "lanes": "8x8", "cycles": 4000, "spent": spent}
    (tmp_path / "a.json").write_text(json.dumps(result))
    document = tmp_path / "doc.md"
    document.write_text(TABLE.format("explained a.json"))
    assert render(document).splitlines()[2:5] == [
        "| network | lanes | cycles | useful | idle | skips | slot wait | drain | bus | fill |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        "| net | 8x8 | 4,000 | 50.0 % | 12.0 % | 0.5 % | 2.5 % | 15.0 % | 0.0 % | 20.0 % |",
    ]
