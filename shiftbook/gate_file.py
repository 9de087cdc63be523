"""What `shiftbook gates --json` wrote, as far as `shiftbook compare` needs it; nothing in it is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.inputs import check_file, read_json, shown
from shiftbook.results.gates import Priced, PriceList

HINT = "name a file that `shiftbook gates --json` wrote"


def read_engines(file: Path, lanes: str, engines: Sequence[str], tile_words: int) -> dict[str, Priced]:
    """The named engines of a file.

    Parameters
    ----------
    file
        That `shiftbook gates --json` wrote.
    lanes
        The grid that they must have, such as 8x8.
    engines
        Their names.
    tile_words
        Words of an activation bank that they must have.

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
        words = found[name].spec.tile_words
        if words != tile_words:
            raise ShiftbookError(
                f"{shown(file)} has {name} with tile_words {words} and not {tile_words}: count it again with "
                f"`shiftbook gates --tile-words {tile_words} --json`, or say --tile-words {words}"
            )
    return {name: found[name] for name in engines}


def checked(values: Any, origin: str) -> dict[str, Priced]:
    """The engines of a report; ``origin`` names it in errors.

    Raises
    ------
    ShiftbookError
        It is no such report.
    """
    try:
        return PriceList.model_validate(values, extra="ignore").engines
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        bad = "" if first["type"] == "missing" else f", not {first['input']!r:.40}"
        raise ShiftbookError(
            f"{origin} is not what `shiftbook gates --json` writes: {where:.80}: {first['msg']}{bad}; {HINT}"
        ) from error
