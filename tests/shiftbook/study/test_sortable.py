"""The table of a study sorts and filters by style: ranks follow values, and each button has its rule."""

from __future__ import annotations

import re
from pathlib import Path

from shiftbook.report.sortable import rules, study_table
from shiftbook.results.sweep import Sweep
from tests.shiftbook.results import Page, made, sweep, write

STUDY = Sweep.model_validate(sweep())


def test_ranks_are_those_of_the_values() -> None:
    table = study_table(STUDY, "s")
    assert table.head == ["point", "network", "scheme", "density", "preset", "accuracy", "cycles", "result"]
    for column, name in ((3, "density"), (5, "accuracy")):
        by_rank = sorted(table.rows, key=lambda row: row.ranks[column])
        numbers = [int(row.cells[0]) for row in by_rank]
        points = [STUDY.points[number] for number in numbers]
        values = [p.compression["density"] if name == "density" else p.values["accuracy"] for p in points]
        known = [value for value in values if value is not None]
        assert known == sorted(known)
        assert values[len(known) :] == [None] * (len(values) - len(known)), "what is missing comes last"


def test_filters_are_of_columns_that_differ() -> None:
    table = study_table(STUDY, "s")
    assert [each.name for each in table.filters] == ["scheme", "density", "result"]
    for row in table.rows:
        assert [each.kinds[kind] for each, kind in zip(table.filters, row.kinds, strict=True)] == [
            row.cells[each.column] for each in table.filters
        ]


def test_each_button_has_its_rule(tmp_path: Path) -> None:
    text = made(write(tmp_path / "in", one=sweep(), two=sweep()))
    page = Page(text)
    buttons = {found["class"] for tag, found in page.attributes if tag == "input" and "class" in found}
    ruled = set(re.findall(r"\.sortable:has\(\.([\w-]+):checked\)", text))
    assert buttons == ruled
    groups = [found["name"] for tag, found in page.attributes if tag == "input" and "name" in found]
    assert {name.partition("-")[0] for name in groups} == {"one", "two"}, "tables do not share buttons"


def test_no_table_needs_no_rules() -> None:
    assert rules([]) == ""
