"""Schemes on the command line: names, help and defaults are those of the files that define them."""

from __future__ import annotations

import re

import typer

from shiftbook.frontend.tensor_train.plan import TENSOR_TRAIN

PLACE = re.compile(r"\{(schemes|default of (\w+))\}")
"""What `filled` fills in a help text."""


def scheme_named(text: str) -> str:
    """The name of a scheme."""
    return _known(text, ())


def scheme_or_train(text: str) -> str:
    """The name of a scheme, or tensor-train."""
    return _known(text, (TENSOR_TRAIN,))


def _known(text: str, more: tuple[str, ...]) -> str:
    from shiftbook.frontend.schemes.catalogue import catalogue

    names = (*catalogue(), *more)
    if text not in names:
        raise typer.BadParameter(f"{text!r:.80} is no scheme: choose of {', '.join(names)}")
    return text


def filled(text: str) -> str:
    """A help text with what the schemes say of themselves, now that it is shown."""
    return PLACE.sub(lambda match: _listing() if match[2] is None else _defaults(match[2]), text)


def _listing() -> str:
    """All schemes, each with its help."""
    from shiftbook.frontend.schemes.catalogue import catalogue

    entries = catalogue().values()
    return " ".join(f"{entry.name}: {entry.help}." if entry.help else f"{entry.name}." for entry in entries)


def _defaults(option: str) -> str:
    """The defaults of an option, each with the schemes that have it."""
    from shiftbook.frontend.schemes.catalogue import catalogue

    owners: dict[object, list[str]] = {}
    for entry in catalogue().values():
        if option in entry.defaults:
            owners.setdefault(entry.defaults[option], []).append(entry.name)
    return "; ".join(f"{value} ({', '.join(names)})" for value, names in owners.items())
