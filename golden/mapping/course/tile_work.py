"""What the engine does in a tile: rows of one output channel after another, and the beats that these need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.isa.registers import parameter_word_width
from shiftbook.golden.mapping.course.symbols import Symbols, symbols
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.spec import Spec

Ints = NDArray[np.int64]

COMMIT = -1
"""In place of a stream's number."""

WORDS_HELD = {"coded": 2, "dense": 1}
"""Words of a stream, by feed, that were taken from its buffer and not used up; the last of them is taken when
the one before the next is used up."""


class Event(NamedTuple):
    """Something in the course of an output channel, where nothing waits.

    Attributes
    ----------
    cycle
        Since the channel began.
    stream, beat
        Whose beat it is. Or with `COMMIT`, all rows are issued.
    leaves
        Whether the beat leaves its buffer; else it must be there.
    rest
        Cycles until the slot has issued its rows of the channel.
    """

    cycle: int
    stream: int
    beat: int
    leaves: bool
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
    outputs = len(each)
    words = 8 * spec.bus_bytes // spec.word_width  # of a beat
    parameters = list(_parameter_events(each, spec))
    found, sizes = parameters, [len(parameters[-1].beat)]
    rest = outputs * parameter_word_width(spec) % (8 * spec.bus_bytes) > 0
    for number, stream in enumerate(symbols(step, spec), 1):
        sizes.append(-(-stream.words // words))
        rest |= stream.taken < sizes[-1] * words
        if stream.words:
            found += _slot_events(number, sizes[-1], stream, each[:, (number - 1) % spec.slots], spec)
    return TileWork(tuple(sizes), _in_order(found), rest)


class _Events(NamedTuple):
    """Events of one stream, or commits, as arrays; and of which output channels."""

    channel: Ints
    cycle: Ints
    stream: int
    beat: Ints
    leaves: bool
    rest: Ints


def _parameter_events(each: Ints, spec: Spec) -> Iterator[_Events]:
    """Commits, and the channel parameters: a beat leaves the cycle after the commit of its last channel."""
    channels, ends = np.arange(len(each)), each.max(axis=1)
    nothing = np.zeros_like(channels)
    yield _Events(channels, ends, COMMIT, channels, False, nothing)
    first = channels[:: 8 * spec.bus_bytes // parameter_word_width(spec)]
    beats = channels[: len(first)]
    yield _Events(first[1:], nothing[first[1:]] + 1, 0, beats[:-1], True, nothing[first[1:]])
    yield _Events(first, ends[first] - 1, 0, beats, False, nothing[first])


def _slot_events(number: int, beats: int, stream: Symbols, cycles: Ints, spec: Spec) -> Iterator[_Events]:
    """When beats of a slot's stream leave, and when they are needed; ``cycles`` are those of each channel."""
    last = len(cycles) - 1
    channel = np.append(stream.channel, last)
    cycle = np.append(stream.cycle, cycles[last])
    all_beats, width = np.arange(beats), spec.word_width
    for leaves, held in ((True, WORDS_HELD[spec.feed]), (False, WORDS_HELD[spec.feed] - 1)):
        mark = all_beats * 8 * spec.bus_bytes - held * width
        first = np.searchsorted(stream.bit, mark)  # symbol from which on the word is held
        which = all_beats > 0 if leaves else first < len(stream.bit)
        at = first[which]
        rest = cycles[channel[at]] - cycle[at]
        yield _Events(channel[at], cycle[at], number, all_beats[which] - leaves, leaves, rest)


def _in_order(found: list[_Events]) -> tuple[Event, ...]:
    """Events by channel and cycle; a commit comes after what its channel needs."""
    channel, cycle, beat, rest = (
        np.concatenate([getattr(each, name) for each in found])
        for name in ("channel", "cycle", "beat", "rest")
    )
    stream, leaves = (
        np.concatenate([np.full(len(each.beat), getattr(each, name)) for each in found])
        for name in ("stream", "leaves")
    )
    order = np.lexsort((stream == COMMIT, cycle, channel))
    return tuple(map(Event, *(values[order].tolist() for values in (cycle, stream, beat, leaves, rest))))
