"""Which points come next: all of a grid, random ones, or those that Optuna asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from shiftbook.golden.errors import ShiftbookError
from shiftbook.study.choices import Space, combinations, corners, size
from shiftbook.study.drawing import Dice, draw
from shiftbook.study.measures import Number
from shiftbook.study.point import Choice
from shiftbook.study.study import Study

MOST_CHECKED = 4096
"""Corners of a study that are looked at before anything runs."""

TRIES = 100
"""Drawings of a random point in a row that give known points before the space counts as used up."""


class Search(Protocol):
    """Asks for points, batch after batch."""

    def ask(self) -> list[Choice]:
        """The next points; none when the search is over."""

    def tell(self, values: Sequence[Mapping[str, Number] | None]) -> None:
        """The measures of all points of the last batch; None for a point that failed."""


def make_search(study: Study, journal: Path | None) -> Search:
    """The search that a study asks for.

    Parameters
    ----------
    journal
        File for Optuna's trials; None keeps them in memory.

    Raises
    ------
    ShiftbookError
        Optuna is missing, or a grid has ranges or no points.
    """
    if study.general.search == "grid":
        return Grid(study)
    if study.general.search == "random":
        return Random(study)
    from shiftbook.study.optuna_search import OptunaSearch

    return OptunaSearch(study, journal)


def tables(study: Study) -> list[tuple[str, Space, Space]]:
    """Every network with a table of compressions and one of engines."""
    return [
        (network, compressions.space, engines)
        for compressions in study.compressions
        for network in compressions.networks
        for engines in study.engines
    ]


def choices_of(study: Study) -> Iterator[Choice]:
    """All points of a grid, in order, each once."""
    seen: set[str] = set()
    for network, compressions, engines in tables(study):
        for compression in combinations(compressions):
            for engine in combinations(engines):
                choice = Choice(network, compression, engine)
                if (name := repr(choice)) not in seen:
                    seen.add(name)
                    yield choice


def corners_of(study: Study) -> Iterator[Choice]:
    """Points that show whether any is impossible; of a large study a part."""
    for network, compressions, engines in tables(study):
        first = next(corners(engines))
        for count, compression in enumerate(corners(compressions)):
            if count == MOST_CHECKED:
                break
            yield Choice(network, compression, first)
        some = next(corners(compressions))
        for count, engine in enumerate(corners(engines)):
            if count == MOST_CHECKED:
                break
            yield Choice(network, some, engine)


class Grid:
    """Every combination, in one batch."""

    def __init__(self, study: Study) -> None:
        try:
            self.left = list(choices_of(study))
        except ShiftbookError as error:
            raise ShiftbookError(f"{study.origin}: {error}") from error

    def ask(self) -> list[Choice]:
        """All points, once."""
        left, self.left = self.left, []
        return left

    def tell(self, values: Sequence[Mapping[str, Number] | None]) -> None:
        """A grid learns nothing."""


class Random:
    """Different points, drawn with the study's seed."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.done = False

    def ask(self) -> list[Choice]:
        """All points, once."""
        if self.done:
            return []
        self.done = True
        dice = Dice(self.study.general.seed)
        found: dict[str, Choice] = {}
        tries = 0
        while len(found) < (self.study.general.points or 0) and tries < TRIES:
            choice = draw(self.study, dice)
            tries = tries + 1 if repr(choice) in found else 0
            found.setdefault(repr(choice), choice)
        return list(found.values())

    def tell(self, values: Sequence[Mapping[str, Number] | None]) -> None:
        """Chance learns nothing."""


def count_of(study: Study) -> int | None:
    """How many points a grid has; None where a range has no end of them."""
    sizes = [(size(compressions), size(engines)) for _, compressions, engines in tables(study)]
    if any(None in pair for pair in sizes):
        return None
    return sum((a or 0) * (b or 0) for a, b in sizes)
