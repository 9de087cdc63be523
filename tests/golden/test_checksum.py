"""The checksum against its recurrence, and what it sees."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from golden.checksum import checksum

words = st.lists(st.integers(0, (1 << 32) - 1), max_size=80)


def slowly(values):
    total = 0
    for value in values:
        total = (total << 5 | total >> 27) & 0xFFFFFFFF ^ value
    return total


@given(words)
def test_it_is_the_recurrence(values):
    assert checksum(np.array(values, np.uint32)) == slowly(values)


@given(words.filter(bool), st.integers(0), st.integers(0, 31))
def test_a_flipped_bit_changes_it(values, place, bit):
    damaged = list(values)
    damaged[place % len(values)] ^= 1 << bit
    assert checksum(np.array(damaged, np.uint32)) != checksum(np.array(values, np.uint32))


def test_two_words_that_change_places_change_it():
    assert checksum(np.array([1, 2], np.uint32)) != checksum(np.array([2, 1], np.uint32))
