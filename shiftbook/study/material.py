"""What a study reads of a network: its files by their contents, and the images that it is measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shiftbook.files_read import source_file
from shiftbook.frontend.data.names import DIGITS
from shiftbook.golden.errors import ShiftbookError
from shiftbook.study.keys import file_digest
from shiftbook.study.study import NetworkTable
from shiftbook.study.tasks.reading import images_of

ZOO = "zoo:"
ALONE = (".onnx", ".pt2")
"""Files that are a network with its weights."""


@dataclass(frozen=True)
class Material:
    """A network of a study, ready for tasks.

    Attributes
    ----------
    source
        As the study names it.
    trained
        Whether its weights are made by a task.
    options
        What tasks that read it are told: ``source`` and the digests of its files.
    places
        Where these are.
    images, images_place
        As `study.tasks.reading.images_of` takes them.
    count
        Of the images; 0 where no task needs them.
    """

    source: str
    trained: bool
    options: Mapping[str, Any]
    places: Mapping[str, str]
    images: Mapping[str, Any]
    images_place: str
    count: int


def gather(table: NetworkTable, measured: bool) -> Material:
    """Look at all files of a network.

    Parameters
    ----------
    measured
        Whether images are needed: then they are read once, and counted.

    Raises
    ------
    ShiftbookError
        A file is missing or cannot be read, there is no such network, or images have no labels.
    """
    source, data, trained = _network(table)
    places: dict[str, str] = {}
    if not table.source.startswith(ZOO):
        places["source"] = _absolute_source(table.source)
    for name, value in (("weights", table.weights), ("data", data), ("calibration", table.calibration)):
        if value is not None:
            places[name] = value if value == DIGITS else str(Path(value).absolute())
    digests = {name: _digest(place) for name, place in places.items()}
    options: dict[str, Any] = {"source": source, "files": digests}
    options |= {"mean": table.mean, "std": table.std}
    tested, part = (data, "test") if table.images is None else (table.images, "all")
    if not measured:
        return Material(source, trained, options, places, {}, "", 0)
    if tested is None:
        raise ShiftbookError(f"{source}: there are no images to measure the accuracy on: give data or images")
    place = tested if tested == DIGITS else str(Path(tested).absolute())
    images = {"digest": _digest(place), "part": part, "limit": table.limit}
    return Material(
        source, trained, options, places, images, place, len(images_of(images, place, _channels(table)))
    )


def _network(table: NetworkTable) -> tuple[str, str | None, bool]:
    """The source, its data, and whether it has to be trained."""
    if not table.source.startswith(ZOO):
        return table.source, table.data, False
    from shiftbook.frontend import zoo

    entry = zoo.get(table.source.removeprefix(ZOO))
    if table.weights is None and entry.train is None:
        raise ShiftbookError(f"{table.source} needs its trained weights: give weights = FILE")
    return table.source, table.data or entry.data, table.weights is None


def _absolute_source(source: str) -> str:
    """The source with the whole path of its file, which is there."""
    file = Path(source) if source.endswith(ALONE) else source_file(source)
    if file is None:
        raise ShiftbookError(
            f"there is no network {source!r:.80}: name zoo:NAME, path/to/file.py:factory, "
            "or an .onnx or .pt2 file"
        )
    if not file.is_file():
        raise ShiftbookError(f"cannot read {file}: there is no such file; name the file of a network")
    factory = source.rpartition(":")[2]
    return str(file.absolute()) if source.endswith(ALONE) else f"{file.absolute()}:{factory}"


def _digest(place: str) -> str:
    """The content of what is there; the digits come with scikit-learn."""
    if place == DIGITS:
        return DIGITS
    file = source_file(place) if ".py:" in place else Path(place)
    return file_digest(file or Path(place))


def _channels(table: NetworkTable) -> int | None:
    """Colours of images that are a folder's: None leaves them to the first image."""
    return None if table.mean is None else len(table.mean)
