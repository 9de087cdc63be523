"""Tables of the documents: those that are there are those that their files give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.results import documents, render
from golden.errors import ShiftbookError

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
        "moved_bytes": 4000,
        "engine": "pair",
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
    assert lines[4] == "| net | shift | 12 % | 1,000 | 3 | 4,000 | `pair` | 100 | 10 | 1 |  | 1.000 |  |"
    assert lines[5] == "| net | shift | 12 % | 1,000 | 3 | 4,000 | `pair` | 50 | 5 | 0 | 50.00 % | 0.250 |  |"
    document.write_text(render(document))
    assert render(document) == document.read_text()
    document.write_text(TABLE.format("compare a.json b.json:other"))
    assert len(render(document).splitlines()) == len(lines) - 1


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "nothing a.json",
            "doc.md: there is no table 'nothing': choose of compare, stored, gates, run, spent, layer",
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
