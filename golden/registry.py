"""Registries that fill themselves: a file in a package is an entry, and no list has to know it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


def modules_in(package: str, path: Iterable[str]) -> tuple[ModuleType, ...]:
    """The modules of a package, given by its ``__name__`` and ``__path__``, in the order of their names."""
    names = sorted(info.name for info in pkgutil.iter_modules(path))
    return tuple(importlib.import_module(f"{package}.{name}") for name in names)


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
    for module in modules_in(package, path):
        for value in vars(module).values():
            own = isinstance(value, type) and value.__module__ == module.__name__
            if own and issubclass(value, base) and value is not base:
                found.append(value)
    return tuple(found)
