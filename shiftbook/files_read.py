"""The files that a command reads by a text that may name something else, too."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from shiftbook.frontend.data.names import DIGITS, SUFFIXES
from shiftbook.frontend.importing.names import WHOLE


def source_file(source: str | None) -> Path | None:
    """The file with a network or its factory."""
    if source is None:
        return None
    if Path(source).suffix in WHOLE:
        return Path(source)
    name = source.rpartition(":")[0]
    return Path(name) if name else None


def ranks_file(ranks: str | None) -> Path | None:
    """The file with the ranks of a tensor train."""
    return Path(ranks) if ranks is not None and ranks.endswith(".json") else None


def compressed_from(
    source: str | None,
    weights: Path | None,
    images: Iterable[str | None],
    outputs: Sequence[Path | None],
) -> list[Path | None]:
    """The files that compressing a network reads, its outputs among them where they lie in the way."""
    return [
        source_file(source),
        weights,
        *(file for data in images for file in data_files(data, outputs)),
    ]


def data_files(data: str | None, outputs: Iterable[Path | None]) -> list[Path]:
    """The file that data is, or those of the outputs that are images in its folder."""
    if data is None or data == DIGITS:
        return []
    if not os.path.isdir(data):
        return [Path(data)]
    folder = Path(data).resolve()
    there = [path for path in outputs if path is not None and folder in path.resolve().parents]
    return [path for path in there if path.suffix.lower() in SUFFIXES]
