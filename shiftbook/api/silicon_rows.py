"""Checkpoints on engines, counted one by one: what the engine's silicon is, and what an image takes on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftbook.api.cycles import cycles_of
from shiftbook.api.energy import Energy, energy
from shiftbook.api.logic_energy import Sampling, windows_of
from shiftbook.comparison import ratios
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.network import Network
from shiftbook.golden.progress import Progress
from shiftbook.golden.spec import Spec
from shiftbook.synth.technologies.technology import technology as technology_of

Json = dict[str, Any]

COUNTING = "counting the area of"

PRODUCTS = {
    "area_relative": ("whole_area", "cycles"),
    "timed_relative": ("whole_area", "cycles", "delay"),
    "memory_relative": ("pj",),
    "energy_relative": ("total_pj",),
}
"""What is related to the first row: products of these fields."""


@dataclass(frozen=True, eq=False)
class OnEngine:
    """A checkpoint, and the engine that it is to run on.

    Parameters
    ----------
    checkpoint, engine
        Names.
    image
        uint8 [N, H, W, C], of which the first counts; None takes noise.
    """

    checkpoint: str
    engine: str
    network: Network
    spec: Spec
    image: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Area:
    """The silicon of an engine in a cell library, without what surrounds it.

    Attributes
    ----------
    total_area, memory_area, whole_area
        Logic, memories, and both, in the library's unit: square micrometres.
    delay
        Picoseconds of the longest path within a module; None where the library tells no delays.
    delay_module
        Where that is.
    """

    total_area: float
    memory_area: float
    whole_area: float
    delay: float | None
    delay_module: str | None


def check(rows: Sequence[OnEngine], sampling: Sampling | None) -> None:
    """Refuse what could not be counted before anything is.

    Raises
    ------
    ShiftbookError
        An engine cannot run its network, or the run is too short for the windows.
    """
    for row in rows:
        try:
            if sampling is None:
                cycles_of(row.network, row.spec)
            else:
                windows_of(row.network, row.spec, sampling)
        except ShiftbookError as error:
            raise ShiftbookError(f"{row.checkpoint} on {row.engine}: {error}") from None


def areas_of(specs: Mapping[Spec, str], technology: str, progress: Progress) -> dict[Spec, Area]:
    """The silicon of engines; ``specs`` have their names.

    Each is mapped alone, so that its figures do not depend on which others are asked for.

    Raises
    ------
    ShiftbookError
        The technology has no cells here, or there is no Yosys.
    """
    from shiftbook.synth.flow.gates import report_on

    found = {}
    for spec, name in specs.items():

        def named(done: int, total: int, what: str, engine: str = name) -> None:
            progress(f"{COUNTING} {engine}", done, total)

        library = technology_of(technology).library()
        report = report_on({name: spec}, liberty=library, flat=False, progress=named)
        found[spec] = _area(report["engines"][name])
    return found


def _area(engine: Json) -> Area:
    return Area(**{name: engine[name] for name in Area.__dataclass_fields__})


def energy_of(row: OnEngine, technology: str, sampling: Sampling | None, progress: Progress) -> Energy:
    """What an image takes; the progress says of which row it is.

    Raises
    ------
    ShiftbookError, sim.driver.Mismatch, sim.simulator.SimulationError, synth.power.replay.Difference
        See `shiftbook.api.energy.energy`.
    """

    def named(what: str, done: int, total: int) -> None:
        progress(f"{row.checkpoint} on {row.engine}: {what}", done, total)

    return energy(row.network, row.spec, technology, named, sampling, image=row.image)


def as_json(row: OnEngine, area: Area | None, found: Energy) -> Json:
    """A row as files have it, related to no other; ``area`` is None where it was not counted."""
    figures: Json = dict.fromkeys(Area.__dataclass_fields__) if area is None else asdict(area)
    described = {"checkpoint": row.checkpoint, "preset": row.engine, "tile_words": row.spec.tile_words}
    return {**described, **figures, **found.to_dict()}


def relate(rows: Sequence[Json]) -> list[Json]:
    """The rows with the products of `PRODUCTS` over those of the first row, where all rows know them."""
    return [
        {**row, **dict.fromkeys(PRODUCTS), **found}
        for row, found in zip(rows, ratios(rows, PRODUCTS), strict=True)
    ]
