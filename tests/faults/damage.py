"""Ways in which a piece of memory can be damaged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Bytes = np.ndarray
Damage = Callable[[Bytes, np.random.Generator], None]

BLOCK = 128
"""Bytes that change places; words so far apart were once alike to the checksum."""


def flip(piece: Bytes, rng: np.random.Generator) -> None:
    """One bit is another."""
    piece[rng.integers(len(piece))] ^= np.uint8(1 << rng.integers(8))


def flip_twice(piece: Bytes, rng: np.random.Generator) -> None:
    """The same bit of two bytes that lie a block apart, or as far as the piece goes."""
    place = rng.integers(max(1, len(piece) - BLOCK))
    piece[[place, min(place + BLOCK, len(piece) - 1)]] ^= np.uint8(1 << rng.integers(8))


def exchange_words(piece: Bytes, rng: np.random.Generator) -> None:
    """Two words change places."""
    _exchange(piece, 4, rng)


def exchange_blocks(piece: Bytes, rng: np.random.Generator) -> None:
    """Two blocks change places, where the piece has two."""
    _exchange(piece, BLOCK if len(piece) >= 2 * BLOCK else 4, rng)


def double(piece: Bytes, rng: np.random.Generator) -> None:
    """A word comes twice, and all behind it later."""
    place = 4 * rng.integers(len(piece) // 4 - 1)
    piece[place + 4 :] = piece[place:-4].copy()


def drop(piece: Bytes, rng: np.random.Generator) -> None:
    """A word is missing, and all behind it comes earlier."""
    place = 4 * rng.integers(len(piece) // 4 - 1)
    piece[place:-4] = piece[place + 4 :].copy()


def truncate(piece: Bytes, rng: np.random.Generator) -> None:
    """Zeros from somewhere on."""
    piece[4 * rng.integers(len(piece) // 4) :] = 0


DAMAGES: dict[str, Damage] = {
    damage.__name__: damage
    for damage in (flip, flip_twice, exchange_words, exchange_blocks, double, drop, truncate)
}


def _exchange(piece: Bytes, size: int, rng: np.random.Generator) -> None:
    parts = piece[: len(piece) // size * size].reshape(-1, size)
    one, other = rng.choice(len(parts), 2, replace=False)
    parts[[one, other]] = parts[[other, one]]
