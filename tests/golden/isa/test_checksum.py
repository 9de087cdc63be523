"""The checksum against its recurrence, published values and another model, and what it sees."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.lib.crc.catalog import CRC32_ISCSI
from hypothesis import given
from hypothesis import strategies as st

from shiftbook.golden.isa.checksum import checksum
from tests.golden.crc import crc32c

words = st.lists(st.integers(0, (1 << 32) - 1), max_size=80)

BLOCK = 32
"""Words of 128 bytes."""


def array(values: list[int]) -> np.ndarray:
    return np.array(values, np.uint32)


def drawn(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 1 << 32, count, np.uint32)


@given(words)
def test_it_is_the_recurrence(values: list[int]) -> None:
    assert checksum(array(values)) == crc32c(array(values).astype("<u4").tobytes())


@given(words)
def test_another_model_says_the_same(values: list[int]) -> None:
    assert checksum(array(values)) == CRC32_ISCSI(data_width=32).compute(values)


def test_the_recurrence_gives_the_published_check() -> None:
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_values_of_rfc_3720(data: bytes, value: int) -> None:
    assert checksum(np.frombuffer(data, "<u4")) == value


def test_words_of_a_big_machine() -> None:
    """The bytes are those in memory, in the accelerator's order."""
    assert checksum(drawn(9).astype(">u4")) == checksum(drawn(9))


@given(words.filter(bool), st.integers(0), st.integers(0, 31))
def test_a_flipped_bit_changes_it(values: list[int], place: int, bit: int) -> None:
    damaged = list(values)
    damaged[place % len(values)] ^= 1 << bit
    assert checksum(array(damaged)) != checksum(array(values))


@pytest.mark.parametrize("distance", [1, 8, 16, BLOCK, 2 * BLOCK, 5 * BLOCK])
def test_words_that_change_places_change_it(distance: int) -> None:
    whole = drawn(8 * BLOCK)
    for first in range(len(whole) - distance):
        moved = whole.copy()
        moved[[first, first + distance]] = whole[[first + distance, first]]
        assert checksum(moved) != checksum(whole)


def test_blocks_of_128_bytes_that_change_places_change_it() -> None:
    blocks = drawn(8 * BLOCK).reshape(8, BLOCK)
    for one, other in np.argwhere(np.triu(np.ones((8, 8)), 1)):
        moved = blocks.copy()
        moved[[one, other]] = blocks[[other, one]]
        assert checksum(moved.reshape(-1)) != checksum(blocks.reshape(-1))


def test_the_same_bit_flipped_twice_changes_it() -> None:
    whole = drawn(4 * BLOCK)
    for distance in range(1, 3 * BLOCK + 1):
        for bit in range(32):
            damaged = whole.copy()
            damaged[[3, 3 + distance]] ^= np.uint32(1 << bit)
            assert checksum(damaged) != checksum(whole)
