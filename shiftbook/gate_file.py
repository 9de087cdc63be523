"""What `shiftbook gates --json` wrote, as far as `shiftbook compare` needs it; nothing in it is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.inputs import check_file, read_json, shown

HINT = "name a file that `shiftbook gates --json` wrote"

Gates = Annotated[float, Field(gt=0, le=1e24)]
Size = Annotated[int, Field(ge=1, le=10**9)]


class _Record(BaseModel):
    """An object of JSON: its types are exact, numbers finite; fields that are not needed may be anything."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class Grid(_Record):
    """The spec of an engine: its lanes and its bus."""

    rows: Size
    cols: Size
    bus_bytes: Size | None = None


class Engine(_Record):
    """Gates of an engine, and of the accelerator around it where they were counted."""

    spec: Grid
    total_ge: Gates
    accelerator_ge: Gates | None = None

    @property
    def lanes(self) -> str:
        """Its grid as the option says it."""
        return f"{self.spec.rows}x{self.spec.cols}"


class _Report(_Record):
    engines: Annotated[dict[str, Engine], Field(min_length=1)]


def read_engines(file: Path, lanes: str, engines: Sequence[str]) -> dict[str, Engine]:
    """The named engines of a file.

    Parameters
    ----------
    file
        That `shiftbook gates --json` wrote.
    lanes
        The grid that they must have, such as 8x8.
    engines
        Their names.

    Raises
    ------
    ShiftbookError
        The file is no such file, or lacks one of them on these lanes.
    """
    check_file(file, HINT)
    values = read_json(file, "it is not what `shiftbook gates --json` writes")
    found = checked(values, shown(file))
    for name in engines:
        if name not in found or found[name].lanes != lanes:
            there = ", ".join(f"{other} of {engine.lanes}" for other, engine in found.items())
            raise ShiftbookError(
                f"{shown(file)} has no engine {name} of {lanes} lanes: it has {there:.200}; {HINT}"
            )
    return {name: found[name] for name in engines}


def checked(values: Any, origin: str) -> dict[str, Engine]:
    """The engines of a report; ``origin`` names it in errors.

    Raises
    ------
    ShiftbookError
        It is no such report.
    """
    try:
        return _Report.model_validate(values).engines
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        bad = "" if first["type"] == "missing" else f", not {first['input']!r:.40}"
        raise ShiftbookError(
            f"{origin} is not what `shiftbook gates --json` writes: {where:.80}: {first['msg']}{bad}; {HINT}"
        ) from error
