"""Checkpoints on engines side by side: area, clock and energy."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from shiftbook.api.arguments import wrong
from shiftbook.api.checkpoint import Checkpoint, load
from shiftbook.api.energy import Energy
from shiftbook.api.engines import Engine, name_of, spec_of
from shiftbook.api.images import Images
from shiftbook.api.images import images as load_images
from shiftbook.api.logic_energy import Sampling
from shiftbook.api.silicon_rows import PRODUCTS, Area, OnEngine, areas_of, as_json, check, energy_of, relate
from shiftbook.api.table import Row, Table
from shiftbook.golden.progress import Progress, quiet
from shiftbook.synth.technologies.technology import DEFAULT, energetic

Entry = tuple[Checkpoint | str | os.PathLike[str], Engine]
"""A checkpoint or its file, and the engine that it is to run on."""


@dataclass(frozen=True)
class OnSilicon:
    """A checkpoint on an engine.

    Attributes
    ----------
    checkpoint, engine
        Names.
    tile_words
        Words of an activation bank.
    area
        Of the engine; None where it was not counted.
    energy
        Of the whole accelerator for an image.
    area_relative, timed_relative
        Area of logic and memories times cycles, and these times the longest path, over the first row's.
    memory_relative, energy_relative
        Energy of the memories, and of memories and logic, over the first row's.
    """

    checkpoint: str
    engine: str
    tile_words: int
    area: Area | None
    energy: Energy
    area_relative: float | None
    timed_relative: float | None
    memory_relative: float | None
    energy_relative: float | None


@dataclass(frozen=True)
class Silicon(Table):
    """Checkpoints on engines in the order in which they were given; the first is the baseline."""

    checkpoints: tuple[OnSilicon, ...]

    def to_dict(self) -> Row:
        return {"rows": self.rows()}

    def rows(self) -> list[Row]:
        """One for each checkpoint, without the parts of its energy."""
        return [_flat(row) for row in self.checkpoints]

    def __repr__(self) -> str:
        each = ", ".join(
            f"{row.checkpoint} on {row.engine} {(row.energy.total_pj or row.energy.pj) / 1e6:.3f}"
            for row in self.checkpoints
        )
        return f"Silicon(microjoules an image: {each})"


def _flat(row: OnSilicon) -> Row:
    found: dict[str, Any] = asdict(row)
    energy = found.pop("energy")
    area = found.pop("area") or dict.fromkeys(Area.__dataclass_fields__)
    sums = {"cycles": row.energy.cycles, "macs": row.energy.macs, "pj": row.energy.pj}
    return {**found, **area, **sums, "total_pj": row.energy.total_pj, "technology": energy["technology"]}


def silicon(
    entries: Sequence[Entry],
    tech: str = DEFAULT,
    *,
    area: bool = False,
    logic: Sampling | None = None,
    images: Images | None = None,
    progress: Progress = quiet,
) -> Silicon:
    """Area, clock and energy of checkpoints on engines; see docs/energy.md.

    Parameters
    ----------
    entries
        Pairs of a checkpoint and an engine; the first is the baseline.
    tech, logic, images, progress
        See `Checkpoint.energy`.
    area
        Whether the engines' area and longest path are counted, in the technology's cell library.

    Raises
    ------
    ShiftbookError, Mismatch, SimulationError, Difference
        See `Checkpoint.energy`; nothing is counted where one of the engines cannot run its network.
    """
    energetic(tech)
    rows = [_row(checkpoint, engine, images, progress) for checkpoint, engine in _pairs(entries)]
    check(rows, logic)
    areas = areas_of({row.spec: row.engine for row in rows} if area else {}, tech, progress)
    energies = [energy_of(row, tech, logic, progress) for row in rows]
    described = [as_json(row, areas.get(row.spec), e) for row, e in zip(rows, energies, strict=True)]
    return Silicon(
        tuple(
            OnSilicon(
                checkpoint=row.checkpoint,
                engine=row.engine,
                tile_words=row.spec.tile_words,
                area=areas.get(row.spec),
                energy=found,
                **{name: related[name] for name in PRODUCTS},
            )
            for row, found, related in zip(rows, energies, relate(described), strict=True)
        )
    )


def _pairs(entries: object) -> list[Entry]:
    """The entries, which must be pairs.

    Raises
    ------
    ShiftbookError
        They are something else, or none.
    """
    right = "a list of pairs of a checkpoint and an engine"
    if not isinstance(entries, list | tuple) or not entries:
        raise wrong("entries", right, entries)
    for each in entries:
        if not isinstance(each, list | tuple) or len(each) != 2:
            raise wrong("entries", right, each)
    return [(checkpoint, engine) for checkpoint, engine in entries]


def _row(
    checkpoint: Checkpoint | str | os.PathLike[str],
    engine: Engine,
    images: Images | None,
    progress: Progress,
) -> OnEngine:
    """A checkpoint on an engine, with the image that it runs on."""
    found = checkpoint if isinstance(checkpoint, Checkpoint) else load(checkpoint)
    spec, image = spec_of(engine, found.network.slots), None
    if images is not None:
        from shiftbook.frontend.data.network_input import for_network

        dataset = load_images(images, limit=1, channels=found.input_shape[2], progress=progress)
        image = for_network(dataset, found.network).images
    return OnEngine(found.name, name_of(engine), found.network, spec, image)
