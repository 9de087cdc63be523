"""How many words an activation bank has: a number, or as many as networks need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import Spec

if TYPE_CHECKING:
    from shiftbook.golden.model.network import Network

AUTO = "auto"

TileWords = Annotated[
    str | None,
    typer.Option(
        "--tile-words",
        metavar="N",
        help="Words of an activation bank, a power of two; or auto: the fewest that cost less than 1 % of "
        "the network's cycles. Default: 1024.",
    ),
]


def with_tile_words(specs: Mapping[str, Spec], value: str | None) -> dict[str, Spec]:
    """Specs with the banks that the option says; `AUTO` leaves them as they are.

    Raises
    ------
    ShiftbookError
        The value is neither a number of words that an engine can have nor `AUTO`.
    """
    if value is None or value == AUTO:
        return dict(specs)
    if not (value.isascii() and value.isdigit() and len(value) < 9):
        raise ShiftbookError(f"--tile-words must be auto or a power of two such as 256, not {value!r:.40}")
    return {name: replace(spec, tile_words=int(value)) for name, spec in specs.items()}


def fitted(
    specs: Mapping[str, Spec], value: str | None, networks: Sequence[Network], batch: int = 1
) -> dict[str, Spec]:
    """Specs with the same banks: with `AUTO`, the smallest with which all networks are content.

    ``batch`` is how many images they take at once.

    Engines that run none of the networks have no say.

    Raises
    ------
    ShiftbookError
        See `with_tile_words`.
    """
    if value != AUTO:
        return with_tile_words(specs, value)
    from shiftbook.golden.program.tile_memory import shared_tile_words

    words = shared_tile_words(networks, specs.values(), batch)
    return {name: spec if words is None else replace(spec, tile_words=words) for name, spec in specs.items()}
