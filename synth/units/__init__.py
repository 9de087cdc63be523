"""Arithmetic units of published methods, one method a file of this package, found by scanning it.

Adding a method is adding a file that defines a subclass of `unit.Unit` with its own ``title``.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil

from shiftbook.synth.units.unit import Unit


def available() -> dict[str, type[Unit]]:
    """Every unit of the package by the name of its class, in alphabetical order."""
    found: dict[str, type[Unit]] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for name, value in inspect.getmembers(module, inspect.isclass):
            if (
                issubclass(value, Unit)
                and value.__module__ == module.__name__
                and not inspect.isabstract(value)
            ):
                found[name] = value
    return dict(sorted(found.items()))
