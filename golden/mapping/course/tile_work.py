"""What the engine does in a tile: rows of one output channel after another, and the beats that these need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.coding.bits import Stream
from shiftbook.golden.coding.items import gap_symbols_of
from shiftbook.golden.isa.registers import parameter_word_width
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.spec import Spec

Ints = NDArray[np.int64]

COMMIT = -1
"""In place of a stream's number."""

WORDS_HELD = {"coded": 2, "dense": 1}
"""Words of a stream, by feed, that were taken from its buffer and not used up; the last of them is taken when
the one before the next is used up."""

WORDS_MORE = 2
"""Words that a stream is sent with beside its whole ones, see `golden.coding.streams.words`."""


WORDS_AHEAD = 1
"""Words that are taken of codes behind the last one, if its beat has so many."""


class Event(NamedTuple):
    """Something in the course of an output channel, where nothing waits.

    Attributes
    ----------
    cycle
        Since the channel began.
    stream, beat
        The beat of a stream before this one leaves its buffer. Or with `COMMIT`, all rows are issued.
    ahead
        Cycles until the beat is needed.
    rest
        Cycles until the slot has issued its rows of the channel.
    """

    cycle: int
    stream: int
    beat: int
    ahead: int
    rest: int


@dataclass(frozen=True)
class TileWork:
    """One tile, as it runs where nothing waits.

    Attributes
    ----------
    beats
        Of each stream: channel parameters, gaps of each slot (coded feed), codes of each slot.
    events
        Of one output channel after another.
    rest
        Whether something is left in the last beat of a stream, which is dropped before the next tile.
    """

    beats: tuple[int, ...]
    events: tuple[Event, ...]
    rest: bool


def tile_work(step: Pass, each: Ints, spec: Spec) -> TileWork:
    """The work of one tile.

    Parameters
    ----------
    each
        [O, W] cycles of each slot in each output channel.
    """
    beat, outputs = 8 * spec.bus_bytes, len(each)
    words = beat // spec.word_width
    each_beat = beat // parameter_word_width(spec)
    channels, nothing = np.arange(outputs), np.zeros(outputs, np.int64)
    commits = _Events(channels, each.max(axis=1), COMMIT, channels, nothing, nothing)
    some = channels[::each_beat]
    ahead = commits.cycle[some] - 1  # parameters leave the cycle after the commit of their last channel
    parameters = _Events(some, nothing[some] + 1, 0, np.arange(len(some)), ahead, ahead)
    found, sizes, rest = [parameters], [len(some)], outputs % each_beat > 0
    for number, (bits, of_channels) in enumerate(_streams(step, spec), 1):
        sizes.append(-(-bits // beat))
        ahead = WORDS_AHEAD if spec.feed == "dense" or number > spec.slots else 0
        rest |= (-(-bits // spec.word_width) + ahead) % words > ahead
        if of_channels.any():
            found.append(
                _slot_events(number, sizes[-1], of_channels, each[:, (number - 1) % spec.slots], spec)
            )
    return TileWork(tuple(sizes), _in_order([*found, commits]), rest)


class _Events(NamedTuple):
    """Events of one stream, or commits, as arrays; and of which output channels."""

    channel: Ints
    cycle: Ints
    stream: int
    beat: Ints
    ahead: Ints
    rest: Ints


def _slot_events(number: int, beats: int, bits: Ints, cycles: Ints, spec: Spec) -> _Events:
    """When beats of a stream are needed that has ``bits`` for the ``cycles`` of each output channel."""
    ends = np.cumsum(bits)
    mark = np.arange(beats) * 8 * spec.bus_bytes - WORDS_HELD[spec.feed] * spec.word_width
    mark[0] = 0  # there is no beat before
    channel = np.minimum(np.searchsorted(ends, mark, "right"), len(bits) - 1)
    rate = cycles[channel] / np.maximum(bits[channel], 1)
    cycle = ((mark - ends[channel] + bits[channel]) * rate).astype(int)
    ahead = (spec.word_width * rate).astype(int)
    ahead[0] = 0
    return _Events(channel, cycle, number, np.arange(beats), ahead, cycles[channel] - cycle)


def _in_order(found: list[_Events]) -> tuple[Event, ...]:
    """Events by channel and cycle; a commit comes after what its channel needs."""
    channel, cycle, beat, ahead, rest = (
        np.concatenate([getattr(each, name) for each in found])
        for name in ("channel", "cycle", "beat", "ahead", "rest")
    )
    stream = np.concatenate([np.full(len(each.beat), each.stream) for each in found])
    order = np.lexsort((stream == COMMIT, cycle, channel))
    return tuple(map(Event, *(values[order].tolist() for values in (cycle, stream, beat, ahead, rest))))


def _streams(step: Pass, spec: Spec) -> Iterator[tuple[int, Ints]]:
    """Of each slot's gaps, and of each slot's codes: all bits, and [O] those of each output channel."""
    outputs = len(step.weights.integers)
    if spec.feed == "dense":
        bits = np.full(outputs, spec.weight_width * step.placement.positions)
        yield from [(int(bits.sum()), bits)] * spec.slots
        return
    coding = step.coding
    coded, span = coding.streams, coding.way.span
    if coded.gap_code is None:
        yield from [(0, np.zeros(outputs, np.int64))] * spec.slots
    else:
        for stream, item in zip(coded.gaps, coding.items, strict=True):
            lengths = coded.gap_code.lengths[gap_symbols_of(item, spec)]
            # A slot is done with a channel when it knows that its next item lies beyond: a gap belongs to the
            # item before.
            channel = np.minimum(np.concatenate([[0], item.target[:-1]]) // span, outputs - 1)
            yield _sent(stream, spec), _sums(channel, lengths, outputs)
    for stream, item in zip(coded.codes, coding.items, strict=True):
        codes = item.code[~item.is_escape]  # [n, M]
        channel = item.target[~item.is_escape] // span
        yield _sent(stream, spec), _sums(channel, coded.code_code.lengths[codes].sum(axis=1), outputs)


def _sent(stream: Stream, spec: Spec) -> int:
    """Bits of a stream as it is sent."""
    return (stream.bits // spec.word_width + WORDS_MORE) * spec.word_width


def _sums(channel: Ints, values: Ints, outputs: int) -> Ints:
    return np.bincount(channel, values, outputs).astype(np.int64)
