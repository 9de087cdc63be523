"""A study: networks, what may be chosen, what counts; read from a TOML file and checked before any work."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.golden.inputs import check_file, shown
from shiftbook.study.choices import COMPRESSION, ENGINE, Space, parse
from shiftbook.study.measures import MEASURES, Better

HINT = "name a study; `shiftbook sweep --example` prints one"

Search = Literal["grid", "random", "tpe", "nsga2"]
Count = Annotated[int, Field(ge=1)]


class Table(BaseModel):
    """A table of a study file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class General(Table):
    """How to search."""

    name: Annotated[str, Field(min_length=1)] | None = None
    search: Search = "grid"
    points: Count | None = None
    batch: Count = 8
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


class NetworkTable(Table):
    """A network, its data, and the images that it is measured on."""

    source: Annotated[str, Field(min_length=1)]
    weights: str | None = None
    data: str | None = None
    calibration: str | None = None
    images: str | None = None
    limit: Count | None = None
    mean: list[float] | None = None
    std: list[float] | None = None


class Technology(Table):
    """What gates are counted in."""

    liberty: list[str] = []
    weights: str | None = None
    system: bool = False


class Check(Table):
    """Which points run on the simulated RTL, too."""

    rtl_every: Count | None = None
    images: Count = 1


class Bounds(Table):
    """Between which numbers a measure must be."""

    at_least: float | None = None
    at_most: float | None = None

    def hold(self, value: float) -> bool:
        """Whether a number is between them, both included."""
        return self.excess(value) <= 0

    def excess(self, value: float) -> float:
        """How far a number is outside; 0 or less within."""
        below = -float("inf") if self.at_least is None else self.at_least - value
        above = -float("inf") if self.at_most is None else value - self.at_most
        return max(below, above)


class File(Table):
    """The whole file."""

    study: General = General()
    network: Annotated[dict[str, NetworkTable], Field(min_length=1)]
    compression: Annotated[list[dict[str, Any]], Field(min_length=1)] = [{}]
    engine: Annotated[list[dict[str, Any]], Field(min_length=1)] = [{}]
    technology: Technology = Technology()
    check: Check = Check()
    objectives: Annotated[dict[str, Better], Field(min_length=1)]
    constraints: dict[str, Bounds] = {}


@dataclass(frozen=True)
class Compressions:
    """A table of compressions: the networks that it is for, and its choices."""

    networks: tuple[str, ...]
    space: Space


@dataclass(frozen=True)
class Study:
    """A study whose names are all known.

    Attributes
    ----------
    origin
        The file, for messages.
    objectives
        Which way each is better, in the order of the file.
    """

    origin: str
    name: str
    general: General
    networks: Mapping[str, NetworkTable]
    compressions: Sequence[Compressions]
    engines: Sequence[Space]
    technology: Technology
    check: Check
    objectives: Mapping[str, Better]
    constraints: Mapping[str, Bounds]

    @property
    def measures(self) -> list[str]:
        """All that are asked for."""
        return list(dict.fromkeys([*self.objectives, *self.constraints]))

    @property
    def kinds(self) -> set[str]:
        """Of the tasks that these take."""
        return {kind for name in self.measures for kind in MEASURES[name].kinds}


def read_study(file: Path) -> Study:
    """Read a study.

    Raises
    ------
    ShiftbookError
        It cannot be read, is no TOML, or says what no study can.
    """
    check_file(file, HINT)
    try:
        with open(file, "rb") as opened:
            values = tomllib.load(opened)
    except OSError as error:
        raise ShiftbookError(f"cannot read {shown(file)}: {error.strerror}; {HINT}") from error
    except ValueError as error:
        raise ShiftbookError(f"{shown(file)} is no TOML: {first_line(error)}; {HINT}") from error
    return make_study(values, shown(file), os.path.splitext(file.name)[0])


def make_study(values: Mapping[str, Any], origin: str, name: str) -> Study:
    """The study that the values of a file are.

    Parameters
    ----------
    origin
        Begins messages.
    name
        Of the study, where it does not say.

    Raises
    ------
    ShiftbookError
        The values are no study, or contradict each other.
    """
    try:
        file = File.model_validate(dict(values))
    except ValidationError as error:
        raise ShiftbookError(f"{origin}: {_problem(error)}") from error
    study = Study(
        origin=origin,
        name=file.study.name or name,
        general=file.study,
        networks=file.network,
        compressions=[
            _compressions(origin, number, table, list(file.network))
            for number, table in enumerate(file.compression, 1)
        ],
        engines=[
            _parsed(f"{origin}: [[engine]] {number}", table, ENGINE)
            for number, table in enumerate(file.engine, 1)
        ],
        technology=file.technology,
        check=file.check,
        objectives=file.objectives,
        constraints=file.constraints,
    )
    _check_measures(study)
    _check_search(study)
    return study


def _compressions(origin: str, number: int, table: Mapping[str, Any], networks: list[str]) -> Compressions:
    where = f"{origin}: [[compression]] {number}"
    named = table.get("network", networks)
    named = named if isinstance(named, list) else [named]
    for name in named:
        if name not in networks:
            raise ShiftbookError(
                f"{where}: there is no network {name!r:.60}: choose of {', '.join(networks)}"
            )
    options = {key: value for key, value in table.items() if key != "network"}
    return Compressions(tuple(dict.fromkeys(named)), _parsed(where, options, COMPRESSION))


def _parsed(where: str, options: Mapping[str, Any], known: Mapping[str, type]) -> Space:
    try:
        return parse(options, known)
    except ShiftbookError as error:
        raise ShiftbookError(f"{where}: {error}") from error


def _problem(error: ValidationError) -> str:
    """The first thing that does not fit, where it is, and what would be right."""
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"there is no setting {where:.80}; docs/sweep.md lists them all"
    if first["type"] == "missing":
        return f"{where:.80} is missing; docs/sweep.md says what it is"
    return f"{where:.80}: {first['msg']}, not {first['input']!r:.60}"


def _check_measures(study: Study) -> None:
    """Refuse measures that are unknown or cannot be had, and bounds that no point can meet."""
    for name in study.measures:
        if name not in MEASURES:
            raise ShiftbookError(
                f"{study.origin}: there is no measure {name!r:.60}: choose of {', '.join(MEASURES)}"
            )
        if MEASURES[name].liberty and not study.technology.liberty:
            raise ShiftbookError(
                f"{study.origin}: {name} takes a cell library: name its files as liberty in [technology]"
            )
    for name, bounds in study.constraints.items():
        low, high = bounds.at_least, bounds.at_most
        if low is None and high is None:
            raise ShiftbookError(f"{study.origin}: constraints.{name} says nothing: give at_least or at_most")
        if low is not None and high is not None and low > high:
            raise ShiftbookError(
                f"{study.origin}: constraints.{name} contradicts itself: at least {low:g}, at most {high:g}"
            )
        if name in ("accuracy", "float_accuracy", "density") and low is not None and low > 1:
            raise ShiftbookError(
                f"{study.origin}: constraints.{name} is a share, which is never at least {low:g}; 0.9 is 90 %"
            )
        if high is not None and high < (-1 if name == "lost" else 0):
            raise ShiftbookError(f"{study.origin}: constraints.{name} is never at most {high:g}")


def _check_search(study: Study) -> None:
    general = study.general
    if general.search == "grid" and general.points is not None:
        raise ShiftbookError(
            f"{study.origin}: study.points is for random, tpe and nsga2; a grid has its own number of points"
        )
    if general.search != "grid" and general.points is None:
        raise ShiftbookError(
            f"{study.origin}: the search {general.search} needs study.points, how many to try"
        )
