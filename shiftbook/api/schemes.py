"""What weights become, as a program names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shiftbook.api.arguments import wrong
from shiftbook.golden.errors import ShiftbookError

if TYPE_CHECKING:
    from shiftbook.frontend.schemes.base import Scheme


def check_scheme(name: str, scheme: object, *more: str) -> str | Scheme:
    """The name of a scheme, or a scheme with all its options.

    Parameters
    ----------
    name
        Of the argument, for errors.
    more
        What may be named besides schemes.

    Raises
    ------
    ShiftbookError
        It is neither.
    """
    from shiftbook.frontend.schemes import catalogue

    known = (*catalogue.catalogue(), *more)
    if isinstance(scheme, str):
        if scheme not in known:
            raise ShiftbookError(f"{name} must be one of {', '.join(known)}, not {scheme!r:.80}")
        return scheme
    from shiftbook.frontend.schemes.base import Scheme

    if not isinstance(scheme, Scheme):
        raise wrong(name, f"a Scheme or one of {', '.join(known)}", scheme)
    return scheme
