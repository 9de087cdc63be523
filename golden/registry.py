"""Registries that fill themselves: a file in a package is an entry, and no list has to know it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def classes_in(package: str, path: Iterable[str], base: type[T]) -> tuple[type[T], ...]:
    """Classes derived from ``base`` that the modules of a package define, in the order of their files.

    Parameters
    ----------
    package, path
        The package's ``__name__`` and ``__path__``.
    base
        Not an entry itself.
    """
    found: list[type[T]] = []
    for info in sorted(pkgutil.iter_modules(path), key=lambda info: info.name):
        module = importlib.import_module(f"{package}.{info.name}")
        for value in vars(module).values():
            own = isinstance(value, type) and value.__module__ == module.__name__
            if own and issubclass(value, base) and value is not base:
                found.append(value)
    return tuple(found)
