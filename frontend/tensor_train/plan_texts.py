"""Ranks and factors of a plan from texts and files."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.inputs import read_json

if TYPE_CHECKING:
    from shiftbook.frontend.tensor_train.modes import Ranks


def parse_ranks(text: str) -> dict[str, Ranks]:
    """Ranks from ``layer=8x6,other.*=16x12``, or from a JSON file of ``{"layer": [8, 6]}``.

    Raises
    ------
    ShiftbookError
        Neither can be read.
    """
    if Path(text).suffix == ".json":
        return _ranks_in(Path(text))
    return dict(_assignment("ranks", item, "layer1.0.conv1=8x6") for item in text.split(","))


def _ranks_in(file: Path) -> dict[str, Ranks]:
    found = read_json(file, 'name a file of ranks by layer such as {"layer1.0.conv1": [8, 6]}')
    right = isinstance(found, dict) and all(
        isinstance(ranks, list) and all(type(rank) is int for rank in ranks) for ranks in found.values()
    )
    if not right:
        raise ShiftbookError(f'{file} must hold ranks by layer such as {{"layer1.0.conv1": [8, 6]}}')
    return {name: tuple(ranks) for name, ranks in found.items()}


def parse_factors(text: str) -> dict[int, tuple[int, ...]]:
    """Factors of channels from ``16=4x4,32=4x8``.

    Raises
    ------
    ShiftbookError
        It cannot be read, or factors do not multiply to the channels.
    """
    found = {}
    for item in text.split(","):
        channels, factors = _assignment("factors", item, "64=8x8")
        if not _is_number(channels) or min(factors) < 1 or prod(factors) != int(channels):
            raise ShiftbookError(f"factors must multiply to the channels as in 64=8x8, not {item!r:.80}")
        found[int(channels)] = factors
    return found


def _assignment(what: str, item: str, example: str) -> tuple[str, tuple[int, ...]]:
    name, _, numbers = item.strip().rpartition("=")
    parts = numbers.split("x")
    if not name or not all(map(_is_number, parts)):
        raise ShiftbookError(f"{what} must be given as in {example}, not {item!r:.80}")
    return name, tuple(int(part) for part in parts)


def _is_number(text: str) -> bool:
    """Whether a text is a number in plain digits, and no longer than ranks and channels are."""
    return text.isascii() and text.isdecimal() and len(text) < 10
