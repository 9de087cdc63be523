"""The records of result files: writers, readers and the page in docs/ share them."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from shiftbook.api.compare import Compared
from shiftbook.api.gates import ModuleGates
from shiftbook.api.simulation import LayerSimulation
from shiftbook.golden.errors import ShiftbookError
from shiftbook.results import page
from shiftbook.results.base import Record
from shiftbook.results.commands import COMMANDS, RECORDS
from shiftbook.results.compare import Row
from shiftbook.results.gates import Module
from shiftbook.results.run import Counters, Run
from shiftbook.results.writing import result_text, write_result
from tests.shiftbook.results import RESULTS, run

DOCS = Path(__file__).parents[2] / "docs"

BENCHMARKS = {
    "batches",
    "cycle_model_16x16",
    "cycle_model_8x8",
    "dense_arrays",
    "dense_arrays_asap7",
    "dense_arrays_fitted",
    "groups",
    "organisations",
    "pairs",
    "peers",
    "rivals",
    "scaling",
    "tensor_buffer",
    "tensor_train_long",
}
"""Results of studies, which no command writes."""


def test_the_page_is_what_the_records_say() -> None:
    assert (DOCS / "result-files.md").read_text() == page.document(), "run: python -m shiftbook.results.page"


@pytest.mark.parametrize("file", sorted((DOCS / "results").glob("*.json")), ids=lambda file: file.stem)
def test_results_of_the_documents_are_of_one_command(file: Path) -> None:
    fitting = []
    for command, record in RECORDS.items():
        try:
            record.model_validate_json(file.read_text())
        except ValueError:
            continue
        fitting.append(command)
    assert len(fitting) == (file.stem not in BENCHMARKS), fitting


def test_the_report_takes_only_what_a_command_writes() -> None:
    assert set(RESULTS) == set(COMMANDS) < set(RECORDS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 3}, "the result is no Run: colour: Extra inputs are not permitted"),
        ({"images": "3"}, "the result is no Run: images: Input should be a valid integer"),
        ({"accuracy": float("nan")}, "the result is no Run: accuracy: "),
        ({"layers": [{"name": "conv1"}]}, "the result is no Run: layers.0.cycles: Field required"),
    ],
)
def test_what_no_record_describes_is_not_written(change, message: str, tmp_path: Path) -> None:
    result = {**run(), **change}
    with pytest.raises(ShiftbookError) as caught:
        write_result(tmp_path / "run.json", Run, result)
    assert str(caught.value).startswith(message)
    assert not list(tmp_path.iterdir())


def test_a_result_is_written_as_it_is(tmp_path: Path) -> None:
    write_result(tmp_path / "run.json", Run, run())
    assert (
        (tmp_path / "run.json").read_text() == json.dumps(run(), indent=1) + "\n" == result_text(Run, run())
    )
    write_result(None, Run, {})


@pytest.mark.parametrize("command", RECORDS)
def test_a_schema_describes_every_field(command: str, capsys) -> None:
    page.main(command.split())
    schema = json.loads(capsys.readouterr().out)
    records = [schema, *(each for each in schema.get("$defs", {}).values() if "properties" in each)]
    assert all(field["description"] for record in records for field in record["properties"].values())


def test_a_schema_of_no_command_is_refused() -> None:
    with pytest.raises(SystemExit, match="there is no record of 'survey': name one of compare, gates, run"):
        page.main(["survey"])


def test_every_command_writes_what_a_record_says() -> None:
    commands = (DOCS.parent / "shiftbook" / "commands").glob("*.py")
    assert not [file.name for file in commands if "write_json" in file.read_text()]


@pytest.mark.parametrize(
    ("record", "kind", "apart"),
    [
        (Row, Compared, set()),
        (Counters, LayerSimulation, {"note", "spent"}),
        (Module, ModuleGates, {"name", "cells", "memories", "area", "total_area", "delay"}),
    ],
)
def test_python_has_the_fields_of_the_files(record: type[Record], kind: type, apart: set[str]) -> None:
    """``apart``: fields that only one of the two has."""
    assert {field.name for field in fields(kind)} ^ set(record.model_fields) == apart


@pytest.mark.parametrize("file", sorted((DOCS / "results").glob("*.json")), ids=lambda file: file.stem)
def test_results_of_the_documents_name_no_folder_of_a_machine(file: Path) -> None:
    assert not re.findall(r'": "/[^"]*"', file.read_text())
