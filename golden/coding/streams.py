"""Weight streams: from the integers of a layer to gap and code bits for each slot, and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.coding import bits
from shiftbook.golden.coding.bits import Stream
from shiftbook.golden.coding.huffman import HuffmanCode, entropy_bits
from shiftbook.golden.coding.items import (
    Items,
    code_symbols_of,
    gap_symbols_of,
    items_of,
    placement_of,
    targets_of,
)
from shiftbook.golden.coding.placement import Placement
from shiftbook.golden.coding.terms import work
from shiftbook.golden.coding.vectors import walk
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.weights import Along, Codebooks, Vectors, Weights
from shiftbook.golden.spec import Spec

Ints = NDArray[np.int64]

CHUNK_BITS = 1 << 14
"""Bits that are decoded at a time: the tables of a chunk stay in the cache."""


@dataclass(frozen=True, eq=False)
class LayerStreams:
    """The coded weights of one layer.

    Attributes
    ----------
    gap_code, code_code
        Huffman codes, shared by the slots. ``gap_code`` is None in gapless layers.
    gaps, codes
        One bit string for each slot; ``gaps`` is empty in gapless layers.
    """

    gap_code: HuffmanCode | None
    code_code: HuffmanCode
    gaps: tuple[Stream, ...]
    codes: tuple[Stream, ...]

    @property
    def gap_bits(self) -> int:
        """Bits of all gap streams, without the padding of their last bytes."""
        return sum(stream.bits for stream in self.gaps)

    @property
    def code_bits(self) -> int:
        """Bits of all code streams, without the padding of their last bytes."""
        return sum(stream.bits for stream in self.codes)


@dataclass(frozen=True, eq=False)
class Statistics:
    """How often each symbol occurs in a layer's streams, all slots together.

    Attributes
    ----------
    gap_counts
        [gap_symbols]; None in gapless layers.
    code_counts
        [M, K].
    code_lengths
        Lengths of the code words where they are given with the codebooks; None lets the counts decide.
    """

    gap_counts: Ints | None
    code_counts: Ints
    code_lengths: NDArray[np.uint8] | None = None

    def codes(self, spec: Spec) -> tuple[HuffmanCode | None, HuffmanCode]:
        """The gap code and the code of the codes, each the best unless it is given."""
        gap_code = None
        if self.gap_counts is not None:
            gap_code = HuffmanCode.from_counts(self.gap_counts, spec.code_length)
        if self.code_lengths is not None:
            return gap_code, HuffmanCode.from_lengths(self.code_lengths)
        return gap_code, HuffmanCode.from_counts(self.code_counts.sum(axis=0), spec.code_length)

    def stream_bits(self, spec: Spec) -> tuple[int, int]:
        """Bits of all gap streams and of all code streams."""
        gap_code, code_code = self.codes(spec)
        code_bits = code_code.bits(self.code_counts.sum(axis=0))
        if gap_code is None or self.gap_counts is None:
            return 0, code_bits
        return gap_code.bits(self.gap_counts), code_bits

    def entropy_bits(self) -> tuple[float, float]:
        """The same below which no order-0 code can go."""
        gaps = 0.0 if self.gap_counts is None else entropy_bits(self.gap_counts)
        return gaps, entropy_bits(self.code_counts.sum(axis=0))


def statistics(weights: Weights, slots: int, spec: Spec) -> Statistics:
    """Count the symbols of a layer's streams.

    Raises
    ------
    ShiftbookError
        The layer cannot be placed, or see :func:`golden.coding.items.items_of`.
    """
    return _count(items_of(weights, placement_of(weights, slots, spec), spec), weights, spec)


def stored_statistics(streams: LayerStreams, books: int, entries: int, spec: Spec) -> Statistics:
    """Count the symbols that streams hold, which may be other streams than :func:`encode` would make.

    Parameters
    ----------
    books, entries
        M codebooks of K entries.
    spec
        What they were coded for.

    Raises
    ------
    ShiftbookError
        See :func:`decode_symbols`.
    """
    gap_counts = None
    if streams.gap_code is not None:
        gaps = np.concatenate(decode_symbols(streams.gaps, streams.gap_code))
        gap_counts = np.bincount(gaps, minlength=spec.gap_symbols)
    codes = np.concatenate(decode_symbols(streams.codes, streams.code_code)).reshape(-1, books)
    return Statistics(gap_counts, _code_counts(codes, entries))


def encode(weights: Weights, slots: int, spec: Spec) -> LayerStreams:
    """Code a layer with the shortest Huffman codes that the spec's ``code_length`` allows.

    Raises
    ------
    ShiftbookError
        The layer cannot be placed, or see :func:`golden.coding.items.items_of`.
    """
    return encode_items(weights, items_of(weights, placement_of(weights, slots, spec), spec), spec)


def encode_items(weights: Weights, slot_items: tuple[Items, ...], spec: Spec) -> LayerStreams:
    """Code a layer whose items are known; see :func:`encode`."""
    gap_code, code_code = _count(slot_items, weights, spec).codes(spec)
    gaps: tuple[Stream, ...] = ()
    if gap_code is not None:
        gaps = tuple(_pack_symbols(gap_symbols_of(item, spec), gap_code) for item in slot_items)
    codes = tuple(_pack_symbols(code_symbols_of(item), code_code) for item in slot_items)
    return LayerStreams(gap_code, code_code, gaps, codes)


def choose_gapless(weights: Weights, slots: int, spec: Spec) -> Weights:
    """The same integers, with or without gaps, whichever takes fewer bits times rows, and their codebook.

    Without gaps every zero is a row. With them lightly pruned layers have more bits, but fewer rows: at a
    density of one half, 5-bit shift weights have about as many bits either way, and half the rows with gaps.

    Parameters
    ----------
    weights
        Its ``integers``, ``scheme`` and ``slot_of_channel`` are kept.
    slots, spec
        What the streams are coded for.
    """
    placement = placement_of(weights, slots, spec)
    with_gaps, without = (_coded(weights, placement, gapless) for gapless in (False, True))
    if len(without.codebook) > spec.code_symbols:
        return with_gaps
    cheaper = _cost(without, placement, spec) < _cost(with_gaps, placement, spec)
    return without if cheaper else with_gaps


def _coded(weights: Weights, placement: Placement, gapless: bool) -> Weights:
    """The integers with the smallest codebook that this kind of coding allows."""
    values = np.unique(weights.integers)
    if not gapless:
        values = values[values != 0] if values.any() else np.ones(1, np.int16)  # a codebook is never empty
    elif (placement.source < 0).any():
        values = np.union1d(values, np.zeros(1, np.int16))
    return replace(weights, codebook=values.astype(np.int16), gapless=gapless)


def _cost(weights: Weights, placement: Placement, spec: Spec) -> int:
    """Bits of streams, code lengths (4 each) and codebook (8 an entry), times the rows of all slots."""
    slot_items = items_of(weights, placement, spec)
    found = _count(slot_items, weights, spec)
    gaps_used = 0 if found.gap_counts is None else int(np.count_nonzero(found.gap_counts))
    stored = sum(found.stream_bits(spec)) + 4 * gaps_used + 12 * len(weights.codebook)
    escapes = sum(int(items.is_escape.sum()) for items in slot_items)
    return stored * (escapes + int(found.code_counts[0] @ work(weights.codebook, spec)))


def decode(
    streams: LayerStreams,
    shape: tuple[int, int, int, int],
    codebook: NDArray[np.int16],
    placement: Placement,
    spec: Spec,
) -> NDArray[np.int16]:
    """The integers [O, kh, kw, I] = ``shape`` that the streams hold; the inverse of :func:`encode`.

    Raises
    ------
    ShiftbookError
        A stream holds bits without a meaning, does not end with its last code word, or does not cover
        the layer exactly.
    """
    outputs = shape[0]
    total = outputs * placement.positions
    flat = np.zeros((outputs, shape[1] * shape[2] * shape[3] + 1), dtype=np.int16)
    for w, (target, codes) in enumerate(_decoded(streams, total, 1, 1, spec)):
        values = np.zeros(total, dtype=np.int16)
        values[target] = codebook[codes[:, 0]]
        by_channel = values.reshape(outputs, placement.positions)
        if by_channel[:, placement.source[w] < 0].any():
            raise ShiftbookError(f"slot {w} has a weight at a position that does not exist")
        flat[:, placement.source[w]] = by_channel
    return flat[:, :-1].reshape(shape)


def decode_vectors(
    streams: LayerStreams, outputs: int, codebooks: Codebooks, along: Along, placement: Placement, spec: Spec
) -> Vectors:
    """The codes of vectors that the streams hold; the inverse of :func:`encode`.

    Raises
    ------
    ShiftbookError
        See :func:`decode`.
    """
    books, _, dim = codebooks.codewords.shape
    way = walk(placement, dim, along)
    present = np.zeros((outputs, placement.slots, way.vectors), np.bool_)
    codes = np.zeros((*present.shape, books), np.uint8)
    for w, (target, code) in enumerate(_decoded(streams, outputs * way.span, way.step, books, spec)):
        channel, position = np.divmod(target, way.span)
        vector, beside = np.divmod(position, way.step)
        if beside.any():
            raise ShiftbookError(f"slot {w} has a vector at position {position[beside > 0][0]}, between two")
        present[channel, w, vector] = True
        codes[channel, w, vector] = code
    return Vectors(codebooks, codes, present, along)


def _decoded(
    streams: LayerStreams, total: int, step: int, books: int, spec: Spec
) -> Iterator[tuple[Ints, Ints]]:
    """For each slot the targets [n] and codes [n, M] of its items with codes."""
    if streams.gap_code is None:
        most = min(stream.bits for stream in streams.codes) // books * step
    else:  # a bit is at most the longest gap, and the item after it
        most = min(stream.bits for stream in streams.gaps) * (spec.escape_gap - 1 + step)
    if total > most:  # before memory is taken for them
        raise ShiftbookError(f"the streams cannot hold {total} positions in a slot, at most {most}")
    codes = decode_symbols(streams.codes, streams.code_code)
    gaps = decode_symbols(streams.gaps, streams.gap_code) if streams.gap_code is not None else None
    for w, code in enumerate(codes):
        every = np.arange(0, total, step)
        target = every if gaps is None else targets_of(gaps[w], total, spec.escape_gap, step)
        if len(target) * books != len(code):
            raise ShiftbookError(f"slot {w} has {len(code)} codes for {len(target)} positions")
        yield target, code.reshape(-1, books)


def decode_symbols(streams: tuple[Stream, ...], code: HuffmanCode) -> tuple[Ints, ...]:
    """The symbols of each bit string, all of it.

    The bit at which a word starts is known only once all words before it are decoded. So look up, for
    every bit, where the next word would start if one started here; then follow that chain from bit 0,
    doubling the stride: the first 2**n words and the jump over 2**n words give the first 2**(n + 1).

    Raises
    ------
    ShiftbookError
        Bits without a meaning, or a last code word that is cut off.
    """
    width = max(code.longest, 1)
    lengths, symbols = code.table(width)
    result = []
    for number, stream in enumerate(streams):
        windows = bits.windows(stream, width)
        starts = _chain(lengths[windows], number)
        result.append(symbols[windows[starts]].astype(np.int64))
    return tuple(result)


def words(stream: Stream, word_width: int) -> NDArray[np.uint32]:
    """The words that the driver feeds for one slot's stream: ``bits // word_width + 2`` of them.

    The stream's first bit is the most significant bit of word 0; zeros follow its end. The two words
    more than the whole ones are those that the decoder holds when it takes the last symbol.
    """
    return bits.words(stream, word_width, stream.bits // word_width + 2)


def dense_words(weights: Weights, placement: Placement, spec: Spec) -> tuple[NDArray[np.uint32], ...]:
    """For each slot of a dense feed, all its weights as raw bits, first weight in the highest ones.

    Order: local positions 0..P-1 of output channel 0, then of channel 1, ...; positions that do not exist
    are 0, and so is the rest of the last word.
    """
    width, half = spec.weight_width, 1 << (spec.weight_width - 1)
    if weights.integers.min(initial=0) < -half or weights.integers.max(initial=0) >= half:
        raise ShiftbookError(f"a dense feed needs weights in {-half}..{half - 1}")
    outputs = len(weights.integers)
    flat = weights.integers.reshape(outputs, -1).astype(np.int8)
    with_zero = np.concatenate([flat, np.zeros((outputs, 1), dtype=np.int8)], axis=1)
    result = []
    for w in range(placement.slots):
        raw = with_zero[:, placement.source[w]].reshape(-1, 1).view(np.uint8)
        written = np.unpackbits(raw, axis=1)[:, -width:]
        stream = Stream(np.packbits(written), written.size)
        result.append(bits.words(stream, spec.word_width, -(-stream.bits // spec.word_width)))
    return tuple(result)


def _count(slot_items: tuple[Items, ...], weights: Weights, spec: Spec) -> Statistics:
    gap_counts = None
    if not weights.gapless:
        gaps = np.concatenate([gap_symbols_of(item, spec) for item in slot_items])
        gap_counts = np.bincount(gaps, minlength=spec.gap_symbols)
    _, entries, _ = weights.codewords.shape
    codes = np.concatenate([item.code[~item.is_escape] for item in slot_items])
    lengths = None if weights.vectors is None else weights.vectors.codebooks.lengths
    return Statistics(gap_counts, _code_counts(codes, entries), lengths)


def _code_counts(codes: Ints, entries: int) -> Ints:
    """[M, K] how often each code occurs in [n, M] ``codes``."""
    return np.stack([np.bincount(column, minlength=entries) for column in codes.T])


def _pack_symbols(symbols: Ints, code: HuffmanCode) -> Stream:
    return bits.pack(code.codes[symbols], code.lengths[symbols])


def _chain(lengths: NDArray[np.uint8], slot: int) -> Ints:
    """The bits at which code words start, given the length that a word starting at each bit would have."""
    total = len(lengths)
    pieces = []
    entry = 0
    for base in range(0, total, CHUNK_BITS):
        chunk = lengths[base : base + CHUNK_BITS]
        if entry < base + len(chunk):
            starts, after = _chain_in_chunk(chunk, entry - base)
            pieces.append(starts + base)
            entry = base + after
    starts = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int64)
    if (lengths[starts] == 0).any():
        raise ShiftbookError(f"the stream of slot {slot} holds bits that are no code word")
    if entry != total:
        raise ShiftbookError(f"the stream of slot {slot} ends within a code word")
    return starts


def _chain_in_chunk(lengths: NDArray[np.uint8], entry: int) -> tuple[Ints, int]:
    """Starts of code words within a chunk, ascending, and where the first word after it starts.

    A length of 0 is a chain's dead end; the caller looks for one among the starts.
    """
    size = len(lengths)
    following = np.arange(size) + lengths
    jump = np.full(size + 1, size)  # past the chunk, every jump stays at its end
    np.minimum(following, size, out=jump[:size], where=lengths > 0)
    starts = np.array([entry])
    while True:
        more = jump.take(starts)
        if more[0] == size:  # no start has more words ahead of it than the first
            break
        starts = np.concatenate([starts, more])
        jump = jump.take(jump)
    starts = starts[starts < size]
    last = int(starts[-1])
    return starts, int(following[last]) if lengths[last] else size
