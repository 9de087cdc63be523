"""JSON from files that nobody vouches for: only numbers that can be computed with and written again."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

MAX_DIGITS = 20
"""Of an integer: those of 64 bits. Python's own message about longer ones names a setting of Python."""


def parse(text: str) -> Any:
    """The values of a JSON text.

    Raises
    ------
    ValueError
        It is no JSON, or holds NaN, Infinity, a number beyond 64-bit floats, or an integer of too many
        digits.
    RecursionError
        Its values are nested too deep.
    """
    return json.loads(text, parse_constant=_refuse_constant, parse_float=_float, parse_int=_integer)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _float(text: str) -> float:
    """A number with a point or an exponent; Python reads 1e400 as infinity, which no JSON can hold."""
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text:.40} is beyond the range of 64-bit floats")
    return value


def _integer(text: str) -> int:
    """An integer that can be computed with: no float can hold 10^400."""
    if len(text) > MAX_DIGITS:
        raise ValueError(f"an integer has {len(text)} digits, more than {MAX_DIGITS}")
    return int(text)
