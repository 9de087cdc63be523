"""Weight schemes: one class in one file of this package, found by scanning it.

Adding a scheme is adding a file that defines a subclass of `base.Scheme` with its own ``name`` and ``help``.
Nothing here imports PyTorch before a scheme is asked for; `catalogue` never does.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.registry import classes_in
from shiftbook.golden.spec import Spec

if TYPE_CHECKING:
    from shiftbook.frontend.schemes.base import Scheme


def available() -> dict[str, type[Scheme]]:
    """Every scheme of the package, by name, in alphabetical order."""
    from shiftbook.frontend.schemes.base import Scheme

    kinds = classes_in(__name__, __path__, Scheme)
    return dict(sorted((kind.name, kind) for kind in kinds if hasattr(kind, "name")))


def make(name: str, spec: Spec, **options: object) -> Scheme:
    """Make the scheme called ``name``; options that are None take its defaults.

    Raises
    ------
    ShiftbookError
        There is no such scheme, it has no such option, or an option's value is out of range.
    """
    scheme: Callable[..., Scheme] = get(name)
    known = set(inspect.signature(scheme).parameters)
    given = {key: value for key, value in options.items() if value is not None}
    foreign = [key for key in given if key not in known]
    if foreign:
        owners = [
            other for other, kind in available().items() if foreign[0] in inspect.signature(kind).parameters
        ]
        belongs = f": it belongs to {', '.join(owners)}" if owners else ""
        raise ShiftbookError(f"scheme {name!r} has no option {foreign[0]}{belongs}")
    if "spec" in known:
        given["spec"] = spec
    return scheme(**given)


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
