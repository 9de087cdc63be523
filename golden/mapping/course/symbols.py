"""The symbols of a slot's streams: where their bits lie, and when they are used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.coding.bits import Stream
from shiftbook.golden.coding.items import Items, gap_symbols_of
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.spec import Spec

Ints = NDArray[np.int64]

MAXIMUM_ROWS = 2
"""Cycles of a code in a maximum."""

WORDS_MORE = 2
"""Words that a stream is sent with beside its whole ones, see `golden.coding.streams.words`."""


class Symbols(NamedTuple):
    """One stream of a slot.

    Attributes
    ----------
    words, taken
        With which it is sent; and which have left its buffer when the last symbol was used.
    channel, cycle
        [n] output channel of each symbol, and the cycle of the slot's in which it is used.
    bit
        [n] where it begins in the stream.
    """

    words: int
    taken: int
    channel: Ints
    cycle: Ints
    bit: Ints


def item_rows(step: Pass, item: Items) -> Ints:
    """[n, M] cycles of each code of items that are not escapes: the rows of its codeword."""
    codes = item.code[~item.is_escape]
    if step.maximum:
        return np.full(codes.shape, MAXIMUM_ROWS)
    return step.coding.code_rows[np.arange(codes.shape[1]), codes]


def symbols(step: Pass, spec: Spec) -> Iterator[Symbols]:
    """Of each slot's gaps (coded feed), and of each slot's codes."""
    if spec.feed == "dense":
        yield from [_weights(step, spec)] * spec.slots
        return
    coded, outputs = step.coding.streams, len(step.weights.integers)
    begun = [_begun(step, item, outputs) for item in step.coding.items]
    if coded.gap_code is None:
        nothing = np.zeros(0, np.int64)
        yield from [Symbols(0, 0, nothing, nothing, nothing)] * spec.slots
    else:
        for stream, item, (channel, cycle) in zip(coded.gaps, step.coding.items, begun, strict=True):
            code, used = coded.gap_code.lengths, gap_symbols_of(item, spec)
            # A slot is done with a channel when it knows that its next item lies beyond: a gap is used beside
            # the item before.
            yield _symbols(stream, _before(channel[:, 0]), _before(cycle[:, 0]), code, used, spec)
    for stream, item, (channel, cycle) in zip(coded.codes, step.coding.items, begun, strict=True):
        codes = ~item.is_escape
        code, used = coded.code_code.lengths, item.code[codes]
        yield _symbols(stream, channel[codes], cycle[codes], code, used, spec)


def _weights(step: Pass, spec: Spec) -> Symbols:
    """A weight a cycle."""
    outputs, positions = len(step.weights.integers), step.placement.positions
    channel, cycle = np.divmod(np.arange(outputs * positions), positions)
    width, bits = spec.weight_width, outputs * positions * spec.weight_width
    # A word is taken with the last weight of the one before.
    words, taken = -(-bits // spec.word_width), bits // spec.word_width + 1
    return Symbols(words, taken, channel, cycle, width * np.arange(len(cycle)))


def _begun(step: Pass, item: Items, outputs: int) -> tuple[Ints, Ints]:
    """[n, M] the output channel of each item's codes, and the cycle in which each is begun.

    An escape takes one.
    """
    cycles = np.zeros(item.code.shape, np.int64)
    cycles[item.is_escape, 0] = 1
    cycles[~item.is_escape] = item_rows(step, item)
    channel = np.minimum(item.target // step.coding.way.span, outputs - 1)
    since = (np.cumsum(cycles) - cycles.ravel()).reshape(cycles.shape)
    first = np.searchsorted(channel, channel)  # item of the channel
    return np.broadcast_to(channel[:, None], cycles.shape), since - since[first, :1]


def _before(values: Ints) -> Ints:
    """[n] those of the item before each; 0 before the first."""
    return np.concatenate([np.zeros(1, np.int64), values])[:-1]


def _symbols(stream: Stream, channel: Ints, cycle: Ints, code: Ints, used: Ints, spec: Spec) -> Symbols:
    """Symbols ``used`` of a ``code``, by the length of each.

    A decoder is a symbol ahead, so that in the end it has read zeros, which are the shortest.
    """
    lengths, width = code[used], spec.word_width
    behind = int(code[code > 0].min(initial=spec.code_length))
    words, taken = ((bits // width) + WORDS_MORE for bits in (stream.bits, stream.bits + behind))
    return Symbols(words, taken, channel.ravel(), cycle.ravel(), np.cumsum(lengths) - lengths.ravel())
