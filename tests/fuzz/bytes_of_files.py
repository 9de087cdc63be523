"""Mutations of any file: bits flipped, runs overwritten, doubled, cut out or moved."""

from __future__ import annotations

import random


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Other bytes, often only a few of them."""
    result = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        at, size = rng.randrange(len(result) + 1), rng.choice([1, 1, 2, 4, 8, 64, 1000])
        kind = rng.randrange(6)
        if kind == 0 and at < len(result):
            result[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            result[at : at + size] = rng.randbytes(len(result[at : at + size]))
        elif kind == 2:
            result[at:at] = rng.choice([rng.randbytes(size), bytes(size), b"\xff" * size])
        elif kind == 3:
            del result[at : at + size]
        elif kind == 4:
            result[at:at] = result[at : at + size]
        else:
            del result[at:]
    return bytes(result)
