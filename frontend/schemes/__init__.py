"""Weight schemes: one class in one file of this package, found by scanning it.

Adding a scheme is adding a file that defines a subclass of `base.Scheme` with its own ``name``.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil

from frontend.schemes.base import QuantizedLayer, Quantizer, Scheme
from golden.errors import ShiftbookError

__all__ = ["QuantizedLayer", "Quantizer", "Scheme", "available", "get"]


def available() -> dict[str, type[Scheme]]:
    """Every scheme of the package, by name, in alphabetical order."""
    found: dict[str, type[Scheme]] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for value in vars(module).values():
            own = isinstance(value, type) and value.__module__ == module.__name__
            if own and issubclass(value, Scheme) and not inspect.isabstract(value):
                found[value.name] = value
    return dict(sorted(found.items()))


def get(name: str) -> type[Scheme]:
    """Return the scheme class called ``name``.

    Raises
    ------
    ShiftbookError
        If there is no such scheme.
    """
    schemes = available()
    if name not in schemes:
        raise ShiftbookError(f"scheme must be one of {', '.join(schemes)}, not {name!r}")
    return schemes[name]
