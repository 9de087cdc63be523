"""Huffman codes: optimal, canonical, and decodable the way that the hardware does it."""

from __future__ import annotations

import heapq
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftbook.golden.coding.huffman import MAX_LENGTH, HuffmanCode, entropy_bits
from shiftbook.golden.errors import ShiftbookError

histograms = st.lists(st.integers(0, 10_000), min_size=1, max_size=60)


def textbook_cost(counts: list[int]) -> int:
    """Bits of the unlimited Huffman code: the sum of all merged weights."""
    heap = [count for count in counts if count]
    if len(heap) == 1:
        return heap[0]
    heapq.heapify(heap)
    cost = 0
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        cost += merged
        heapq.heappush(heap, merged)
    return cost


def best_cost_by_search(counts: list[int], max_length: int) -> int:
    """Bits of the best code, found by trying all lengths that satisfy Kraft's inequality."""
    used = sorted((count for count in counts if count), reverse=True)

    def best(rest: tuple[int, ...], space: Fraction, least: int) -> float:
        if not rest:
            return 0
        costs = [float("inf")]
        for length in range(least, max_length + 1):  # rarer symbols never have shorter words
            left = space - Fraction(1, 1 << length)
            if left >= 0:
                costs.append(rest[0] * length + best(rest[1:], left, length))
        return min(costs)

    return int(best(tuple(used), Fraction(1), 1))


def words_of(code: HuffmanCode) -> dict[str, int]:
    return {format(code.codes[s], f"0{code.lengths[s]}b"): int(s) for s in code.sorted_symbols}


@given(histograms)
def test_equals_the_textbook_where_no_limit_binds(counts):
    code = HuffmanCode.from_counts(counts, MAX_LENGTH)
    if textbook_depth(counts) <= MAX_LENGTH:
        assert code.bits(counts) == textbook_cost(counts)
    else:
        assert code.bits(counts) > textbook_cost(counts)


def textbook_depth(counts: list[int]) -> int:
    """The least depth of an unlimited Huffman tree: ties merge the shallower subtree first."""
    heap = [(count, 0) for count in counts if count]
    heapq.heapify(heap)
    while len(heap) > 1:
        (a, i), (b, j) = heapq.heappop(heap), heapq.heappop(heap)
        heapq.heappush(heap, (a + b, max(i, j) + 1))
    return heap[0][1] if heap else 0


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=7), st.integers(3, 5))
def test_is_optimal_under_a_limit_that_binds(counts, max_length):
    code = HuffmanCode.from_counts(counts, max_length)
    assert code.longest <= max_length
    assert code.bits(counts) == best_cost_by_search(counts, max_length)


def test_a_limit_that_binds_by_hand():
    counts = [1, 1, 2, 4, 8, 16]
    assert HuffmanCode.from_counts(counts, 5).lengths.tolist() == [5, 5, 4, 3, 2, 1]
    assert HuffmanCode.from_counts(counts, 3).bits(counts) == 3 * 8 + 2 * 24


@given(histograms)
def test_is_within_one_bit_a_symbol_of_the_entropy(counts):
    bits = HuffmanCode.from_counts(counts, 12).bits(counts)
    assert bits >= entropy_bits(counts) - 1e-6 * (1 + bits)
    assert bits <= entropy_bits(counts) + sum(counts)


@given(histograms)
def test_is_canonical_and_free_of_prefixes(counts):
    code = HuffmanCode.from_counts(counts, 12)
    assert [bool(length) for length in code.lengths] == [bool(count) for count in counts]
    order = sorted((length, symbol) for symbol, length in enumerate(code.lengths) if length)
    assert code.sorted_symbols.tolist() == [symbol for _, symbol in order]
    words = list(words_of(code))
    assert words == sorted(words)  # counting up, and longer words after shorter ones
    assert not any(b.startswith(a) for a, b in pairwise(words))
    again = HuffmanCode.from_lengths(code.lengths)
    assert again.codes.tolist() == code.codes.tolist()


@given(histograms, st.integers(12, 15))
def test_hardware_tables_decode_every_window(counts, max_length):
    code = HuffmanCode.from_counts(counts, 12)
    words = words_of(code)
    limits = code.limits(max_length)
    rank_width = max(1, (len(counts) - 1).bit_length())
    offsets = code.offsets(max_length, rank_width)
    table_lengths, table_symbols = code.table(max_length)
    rng = np.random.default_rng(sum(counts))
    for window in [0, (1 << max_length) - 1, *rng.integers(0, 1 << max_length, 30)]:
        text = format(window, f"0{max_length}b")
        word = next((word for word in words if text.startswith(word)), None)
        lengths = [i + 1 for i in range(max_length) if window < limits[i]]
        if word is None:
            assert not lengths
            assert table_lengths[window] == 0
            continue
        length = lengths[0]
        rank = ((int(window) >> (max_length - length)) + offsets[length - 1]) % (1 << rank_width)
        assert length == table_lengths[window] == len(word)
        assert code.sorted_symbols[rank] == table_symbols[window] == words[word]


def test_a_lone_symbol_has_one_bit():
    code = HuffmanCode.from_counts([0, 0, 9], 12)
    assert code.lengths.tolist() == [0, 0, 1]
    assert code.limits(12).tolist() == [1 << 11] * 12


def test_no_symbol_has_no_bits():
    code = HuffmanCode.from_counts([0, 0], 12)
    assert (code.longest, code.bits([0, 0])) == (0, 0)
    assert not code.limits(12).any()


def test_entropy_of_four_equal_symbols_is_two_bits_each():
    assert entropy_bits([5, 5, 0, 5, 5]) == 40
    assert entropy_bits([0, 7]) == 0
    assert entropy_bits([]) == 0


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1, 1, 1], "Huffman code lengths must fill the code space exactly, not 1.5 of it"),
        ([2, 2, 2], "Huffman code lengths must fill the code space exactly, not 0.75 of it"),
        ([2], "Huffman code lengths must fill the code space exactly, not 0.25 of it"),
        ([1, 16], "Huffman code lengths must be in 0..15, not [1, 16]"),
        ([1, -1], "Huffman code lengths must be in 0..15, not [1, -1]"),
    ],
)
def test_refuses_lengths(lengths, message):
    with pytest.raises(ShiftbookError) as caught:
        HuffmanCode.from_lengths(lengths)
    assert str(caught.value) == message


def test_refuses_too_many_symbols():
    with pytest.raises(ShiftbookError, match=r"^9 symbols need code words longer than 3 bits$"):
        HuffmanCode.from_counts([1] * 9, 3)


def test_refuses_tables_that_are_too_narrow():
    code = HuffmanCode.from_counts([1, 1, 2, 4, 8], 12)
    for tables in (code.limits, code.table, lambda width: code.offsets(width, 3)):
        with pytest.raises(ShiftbookError, match="word of 4 bits is too long: the spec allows 3"):
            tables(3)
