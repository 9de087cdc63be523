"""A technology: its cell library, where users get that, and its memories, from one TOML file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from shiftbook.golden.errors import ShiftbookError
from shiftbook.synth.technologies.macro import Macro, Rule

FOLDER = Path(__file__).parent

DEFAULT = "asap7"
"""Whose memories stand beside gates where no cell library is named."""


@dataclass(frozen=True)
class Technology:
    """A technology.

    Parameters
    ----------
    name, title
        As the option says it, and for people.
    origin
        Where its cell library is.
    variable
        Environment variable with the folder of its library.
    files
        Patterns of the library's files, at any depth of that folder.
    driver
        The cell that drives the inputs of a module; the library is known by it.
    load
        Femtofarads on each output of a module.
    gate
        Square micrometres of a NAND2: one GE.
    macros
        Its SRAMs, those with the fewest ports first; empty where none are published.
    """

    name: str
    title: str
    origin: str
    variable: str
    files: tuple[str, ...]
    driver: str
    load: float
    gate: float
    macros: tuple[Macro, ...]

    def library(self, environment: Mapping[str, str] = os.environ) -> list[Path]:
        """The files of its cell library on this machine.

        Raises
        ------
        ShiftbookError
            They are not where the variable says, or it says nothing.
        """
        place = environment.get(self.variable)
        how = f"get {self.origin} and set {self.variable} to its folder"
        if not place:
            raise ShiftbookError(f"{self.name} needs its cell library, and {self.variable} is not set: {how}")
        found = []
        for pattern in self.files:
            matching = sorted(Path(place).rglob(pattern))
            if not matching:
                raise ShiftbookError(f"{self.name} has no {pattern} in {self.variable}={place}: {how}")
            found.append(matching[-1])
        return found


def names() -> tuple[str, ...]:
    """Names of all technologies."""
    return tuple(path.stem for path in sorted(FOLDER.glob("*.toml")))


@cache
def technologies() -> dict[str, Technology]:
    """All technologies by name: the TOML files beside this one."""
    return {name: _read(FOLDER / f"{name}.toml") for name in names()}


def technology(name: str) -> Technology:
    """The technology of a name.

    Raises
    ------
    ShiftbookError
        There is none.
    """
    if name not in names():
        raise ShiftbookError(f"a technology must be one of {', '.join(names())}, not {name!r}")
    return technologies()[name]


def with_energies() -> tuple[str, ...]:
    """Names of the technologies whose memories have known energies."""
    return tuple(name for name, each in technologies().items() if any(m.read for m in each.macros))


def energetic(name: str) -> Technology:
    """The technology of a name, whose memories have known energies.

    Raises
    ------
    ShiftbookError
        There is none, or its energies are not known.
    """
    found = technology(name)
    if name not in with_energies():
        raise ShiftbookError(
            f"no energy of {name}'s memories is published: take one of {', '.join(with_energies())}"
        )
    return found


def technology_of(cells: Mapping[str, float]) -> Technology | None:
    """The technology whose library has these cells; None for a library that none knows."""
    return next((each for each in technologies().values() if each.driver in cells), None)


def _read(path: Path) -> Technology:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    library = table["library"]
    return Technology(
        name=path.stem,
        title=library["title"],
        origin=library["origin"],
        variable=library["variable"],
        files=tuple(library["files"]),
        driver=library["driver"],
        load=library["load"],
        gate=library["gate"],
        macros=tuple(_macro(each) for each in table.get("macros", ())),
    )


def _macro(table: Mapping[str, Any]) -> Macro:
    rules = {name: Rule(**table[name]) for name in ("area", "read", "write") if name in table}
    return Macro(
        ports=table["ports"],
        words=(table["words"][0], table["words"][1]),
        bits=(table["bits"][0], table["bits"][1]),
        **rules,
    )
