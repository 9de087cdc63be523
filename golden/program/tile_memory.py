"""How small the activation banks of an engine may be for a network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.network import Network
from shiftbook.golden.program.image import build
from shiftbook.golden.spec import Spec

COST = 0.01
"""Share of a network's cycles that smaller banks may not cost."""


def smallest_tile_words(network: Network, spec: Spec, batch: int = 1) -> int:
    """The fewest words of a bank with which the network takes less than `COST` more cycles.

    Cycles are those of the cycle model, compared with those on ``spec``; where its banks are too small for
    the network, with those of the next larger ones that are not.

    Parameters
    ----------
    network
        Coded for the slots of ``spec``.
    batch
        Images that it takes at once.

    Raises
    ------
    ShiftbookError
        The engine runs the network with no banks; what is said is that of the spec's own.
    """
    words = _enough(network, spec, batch)
    most = (1 + COST) * _cycles(network, spec, words, batch)
    while True:
        try:
            if _cycles(network, spec, words // 2, batch) >= most:
                return words
        except ShiftbookError:  # too small for a layer, or for any spec
            return words
        words //= 2


def shared_tile_words(networks: Iterable[Network], specs: Iterable[Spec], batch: int = 1) -> int | None:
    """The words with which every network is content on every engine that runs it; None where none runs any.

    Parameters
    ----------
    specs
        Each network gives them its slots.
    """
    found = []
    engines = list(specs)
    for network in networks:
        for spec in engines:
            try:
                found.append(smallest_tile_words(network, replace(spec, slots=network.slots), batch))
            except ShiftbookError:
                continue
    return max(found, default=None)


def _enough(network: Network, spec: Spec, batch: int) -> int:
    """The words of the spec, or the next larger ones with which the network runs."""
    words = spec.tile_words
    try:
        _cycles(network, spec, words, batch)
        return words
    except ShiftbookError as refusal:
        while True:
            words *= 2
            try:
                larger = replace(spec, tile_words=words)
            except ShiftbookError:
                raise refusal from None
            try:
                _cycles(network, larger, words, batch)
                return words
            except ShiftbookError:
                continue


def _cycles(network: Network, spec: Spec, words: int, batch: int) -> int:
    built = build(network, replace(spec, tile_words=words), batch)
    return sum(cost.cycles for cost in built.costs())
