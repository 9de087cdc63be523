"""Writing a result file: what it holds is checked against its record first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import json_text, write_text
from shiftbook.results.base import Record


def write_result(path: Path | None, record: type[Record], result: Mapping[str, object]) -> None:
    """Write a result as indented JSON; None means that nobody asked for it.

    Raises
    ------
    ShiftbookError
        See :func:`result_text` and :func:`golden.files.open_output`.
    """
    if path is not None:
        write_text(path, result_text(record, result))


def result_text(record: type[Record], result: Mapping[str, object]) -> str:
    """A result as indented JSON.

    Raises
    ------
    ShiftbookError
        It is not what the record says.
    """
    text = json_text(result)
    try:
        record.model_validate_json(text)
    except ValidationError as error:
        raise ShiftbookError(f"the result is no {record.__name__}: {first_problem(error)}") from error
    return text


def first_problem(error: ValidationError) -> str:
    """The first thing that does not fit a record, and where it is."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}"
