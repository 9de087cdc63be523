"""Canonical, length-limited Huffman codes and the comparison tables with which hardware decodes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shiftbook.golden.errors import ShiftbookError

Ints = NDArray[np.int64]

MAX_LENGTH = 15
"""Longest code word; a length is stored in four bits."""


def entropy_bits(counts: ArrayLike) -> float:
    """Bits that no order-0 code can beat for symbols that occur ``counts`` times: sum c * log2(n / c)."""
    used = np.asarray(counts, dtype=np.float64)
    used = used[used > 0]
    return float((used * np.log2(used.sum() / used)).sum()) if len(used) else 0.0


@dataclass(frozen=True, eq=False)
class HuffmanCode:
    """A canonical prefix code over the symbols 0 .. K - 1.

    Code words are given out in the order of (length, symbol), counting up; a longer word starts where the
    shorter ones end. A symbol of length 0 has no code word. Build one with :meth:`from_counts` or
    :meth:`from_lengths`.

    Attributes
    ----------
    lengths
        [K] bits of each symbol's code word, 0 to 15.
    codes
        [K] code words, right aligned; 0 where there is none.
    sorted_symbols
        [n] the symbols that have a code word, by (length, symbol): rank to symbol.
    """

    lengths: Ints
    codes: Ints
    sorted_symbols: Ints

    @classmethod
    def from_counts(cls, counts: ArrayLike, max_length: int) -> HuffmanCode:
        """The code with the fewest bits for these counts among all that respect ``max_length``.

        Package-merge (Larmore and Hirschberg, 1990). Symbols that do not occur get no code word; a
        lone symbol gets a word of one bit.

        Raises
        ------
        ShiftbookError
            More symbols occur than ``max_length`` bits can tell apart.
        """
        occurrences = [int(count) for count in np.asarray(counts, dtype=np.int64)]
        return cls.from_lengths(package_merge(occurrences, max_length))

    @classmethod
    def from_lengths(cls, lengths: ArrayLike) -> HuffmanCode:
        """The canonical code of given lengths.

        Raises
        ------
        ShiftbookError
            A length is outside 0..15; or the code words do not exist (too many short ones), or leave
            some bit strings without a meaning (a lone symbol of length 1 excepted).
        """
        sizes = np.asarray(lengths, dtype=np.int64)
        if sizes.ndim != 1 or sizes.min(initial=0) < 0 or sizes.max(initial=0) > MAX_LENGTH:
            raise ShiftbookError(f"Huffman code lengths must be in 0..{MAX_LENGTH}, not {sizes.tolist()}")
        order = np.lexsort((np.arange(len(sizes)), sizes))
        order = order[sizes[order] > 0]
        spans = np.int64(1) << (MAX_LENGTH - sizes[order])
        total = int(spans.sum())
        whole = 1 << MAX_LENGTH
        if len(order) and total != whole and not (len(order) == 1 and total == whole // 2):
            raise ShiftbookError(
                f"Huffman code lengths must fill the code space exactly, not {total / whole:.6g} of it"
            )
        codes = np.zeros_like(sizes)
        codes[order] = (np.cumsum(spans) - spans) >> (MAX_LENGTH - sizes[order])
        return cls(sizes, codes, order)

    @property
    def longest(self) -> int:
        """Bits of the longest code word, 0 for a code without symbols."""
        return int(self.lengths.max(initial=0))

    def bits(self, counts: ArrayLike) -> int:
        """Bits of a stream in which symbol s occurs ``counts[s]`` times."""
        return int((np.asarray(counts, dtype=np.int64) * self.lengths).sum())

    @cached_property
    def _number(self) -> Ints:
        """[16] code words of each length."""
        return np.bincount(self.lengths[self.sorted_symbols], minlength=MAX_LENGTH + 1).astype(np.int64)

    @cached_property
    def _first(self) -> Ints:
        """[16] the first code word of each length, whether or not one of that length exists."""
        first = np.zeros(MAX_LENGTH + 1, dtype=np.int64)
        for length in range(1, MAX_LENGTH + 1):
            first[length] = (first[length - 1] + self._number[length - 1]) << 1
        return first

    def limits(self, max_length: int) -> Ints:
        """[max_length] at index L - 1: a window below this one starts with a code word of at most L bits.

        The window is the next ``max_length`` bits of the stream; ``limit = (first + number of words of
        L bits) << (max_length - L)``, which takes max_length + 1 bits. The word has the smallest L
        whose limit is above the window; there is none where the bits mean nothing.
        """
        self._require(max_length)
        lengths = np.arange(1, max_length + 1)
        return (self._first + self._number)[lengths] << (max_length - lengths)

    def offsets(self, max_length: int, rank_width: int) -> Ints:
        """[max_length] at index L - 1: add it to a code word of L bits to get its rank, mod 2**rank_width."""
        self._require(max_length)
        ranks = np.cumsum(self._number) - self._number
        return (ranks - self._first)[1 : max_length + 1] & ((1 << rank_width) - 1)

    def table(self, max_length: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Length and symbol for each window of ``max_length`` bits; length 0 where the bits mean nothing."""
        self._require(max_length)
        lengths = np.zeros(1 << max_length, dtype=np.uint8)
        symbols = np.zeros(1 << max_length, dtype=np.int32)
        sizes = self.lengths[self.sorted_symbols]
        spans = 1 << (max_length - sizes)
        filled = int(spans.sum())
        lengths[:filled] = np.repeat(sizes, spans)
        symbols[:filled] = np.repeat(self.sorted_symbols, spans)
        return lengths, symbols

    def _require(self, max_length: int) -> None:
        if self.longest > max_length:
            raise ShiftbookError(
                f"a Huffman code word of {self.longest} bits is too long: the spec allows {max_length}"
            )


def package_merge(counts: list[int], max_length: int) -> list[int]:
    """Optimal code lengths of at most ``max_length`` bits; 0 for symbols that do not occur."""
    lengths = [0] * len(counts)
    leaves: list[tuple[int, tuple[int, ...]]]
    leaves = sorted((count, (symbol,)) for symbol, count in enumerate(counts) if count > 0)
    if len(leaves) > 1 << max_length:
        raise ShiftbookError(f"{len(leaves)} symbols need code words longer than {max_length} bits")
    if len(leaves) == 1:
        lengths[leaves[0][1][0]] = 1
        return lengths
    packages = leaves
    for _ in range(max_length - 1):
        pairs = zip(packages[0::2], packages[1::2], strict=False)
        packages = sorted(leaves + [(a[0] + b[0], a[1] + b[1]) for a, b in pairs])
    # Each time a symbol is among the 2n - 2 cheapest packages its code word grows by one bit.
    for _, symbols in packages[: 2 * len(leaves) - 2]:
        for symbol in symbols:
            lengths[symbol] += 1
    return lengths
