"""Host programs that were changed and sealed again: checksums are right, and what they say is anything."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from shiftbook.golden.isa.checksum import checksum
from shiftbook.golden.isa.registers import ADDRESS_WIDTH, INDEX_WIDTH, Region
from shiftbook.golden.program.image import Image

Words = list[int]

EXTREMES = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
REGIONS = 1 << ADDRESS_WIDTH - INDEX_WIDTH
MOST_CHANGES = 3


def mutant(built: Image, seed: int) -> np.ndarray:
    """The image's contents with another program in the place of its own.

    Parameters
    ----------
    built
        The image.
    seed
        The same makes the same mutant.
    """
    rng = np.random.default_rng(seed)
    contents = built.contents()
    body = contents[built.program_offset :].view("<u4")
    parts = list(split(body.tolist()))
    for _ in range(int(rng.integers(1, MOST_CHANGES + 1))):
        change = CHANGES[rng.integers(len(CHANGES))]
        change(parts, rng)
    words = [word for part in parts for word in part][: len(body)]
    words += [0] * (len(body) - len(words))
    body[:] = sealed(words)
    return contents


def split(words: Words) -> Iterator[Words]:
    """Runs of words: where they go, then what goes there. The beat's padding looks like some more."""
    place = 0
    while place < len(words):
        end = place + 2 + (words[place] >> ADDRESS_WIDTH)
        yield words[place:end]
        place = end


def sealed(words: Words) -> Words:
    """With the right checksum in every command, as the accelerator will read them."""
    since: Words = []
    words = list(words)
    place = 0
    while place < len(words):
        address, count = words[place] % (1 << ADDRESS_WIDTH), (words[place] >> ADDRESS_WIDTH) + 1
        since.append(words[place])
        for number in range(place + 1, min(place + 1 + count, len(words))):
            if address >> INDEX_WIDTH == Region.COMMANDS:
                words[number], since = checksum(np.array(since, np.uint32)), []
            else:
                since.append(words[number])
            address = (address + 1) % (1 << ADDRESS_WIDTH)
        place += 1 + count
    return words


def _other_value(parts: list[Words], rng: np.random.Generator) -> None:
    part = _some(parts, rng)
    if len(part) > 1:
        place = int(rng.integers(1, len(part)))
        near = part[place] ^ 1 << int(rng.integers(32))
        part[place] = int(rng.choice([*EXTREMES, near, near, near]))


def _other_address(parts: list[Words], rng: np.random.Generator) -> None:
    part = _some(parts, rng)
    part[0] ^= 1 << int(rng.integers(32))


def _other_region(parts: list[Words], rng: np.random.Generator) -> None:
    part = _some(parts, rng)
    keep = part[0] & ~((REGIONS - 1) << INDEX_WIDTH)
    part[0] = keep | int(rng.integers(REGIONS)) << INDEX_WIDTH


def _drop(parts: list[Words], rng: np.random.Generator) -> None:
    if len(parts) > 1:
        del parts[int(rng.integers(len(parts)))]


def _repeat(parts: list[Words], rng: np.random.Generator) -> None:
    parts.insert(int(rng.integers(len(parts))), list(_some(parts, rng)))


def _exchange(parts: list[Words], rng: np.random.Generator) -> None:
    one, other = (int(rng.integers(len(parts))) for _ in range(2))
    parts[one], parts[other] = parts[other], parts[one]


CHANGES = (_other_value, _other_value, _other_value, _other_address, _other_region, _drop, _repeat, _exchange)
"""A value most often: a wrong layer is what a wrong builder writes."""


def _some(parts: list[Words], rng: np.random.Generator) -> Words:
    return parts[int(rng.integers(len(parts)))]
