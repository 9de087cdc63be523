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
from shiftbook.golden.spec import WEIGHT_WIDTH, Spec

Ints = NDArray[np.int64]

COMMIT = -1
"""In place of a stream's number."""

WORDS_AHEAD = 1
"""Words of a stream that a decoder needs behind the one that it reads."""

WORDS_MORE = 2
"""Words that a stream is sent with beside its whole ones, see `golden.coding.streams.words`."""


@dataclass(frozen=True)
class TileWork:
    """One tile, as it runs where nothing waits.

    Attributes
    ----------
    beats
        Of each stream: channel parameters, gaps of each slot (coded feed), codes of each slot.
    events
        (cycle, stream, beat), the cycle since the first output channel began: a beat of a stream is needed,
        or with `COMMIT`, an output channel has issued its rows.
    """

    beats: tuple[int, ...]
    events: tuple[tuple[int, int, int], ...]


def tile_work(step: Pass, slowest: Ints, spec: Spec) -> TileWork:
    """The work of one tile.

    Parameters
    ----------
    slowest
        [O] cycles of the slowest slot in each output channel.
    """
    beat = 8 * spec.bus_bytes
    begins = np.concatenate([[0], np.cumsum(slowest)])  # the cycle in which each channel begins, and the end
    each = beat // parameter_word_width(spec)
    sizes = [-(-len(slowest) // each)]
    outputs = np.arange(len(slowest))
    found = [_Events(outputs[::each], begins[1::each], 0, np.arange(sizes[0]))]
    for number, (bits, of_channels) in enumerate(_streams(step, spec), 1):
        sizes.append(-(-bits // beat))
        ends = np.concatenate([[0], np.cumsum(of_channels)])
        if ends[-1]:
            first = begins[np.searchsorted(ends, 0, "right") - 1]
            marks = np.arange(1, sizes[-1]) * beat - WORDS_AHEAD * spec.word_width
            cycles = np.concatenate([[first], np.interp(marks, ends, begins).astype(int)])
            channels = np.searchsorted(begins[1:-1], cycles, "right")
            found.append(_Events(channels, cycles, number, np.arange(sizes[-1])))
    found.append(_Events(outputs, begins[1:], COMMIT, outputs))
    return TileWork(tuple(sizes), _in_order(found))


class _Events(NamedTuple):
    """Of one stream, or commits: in which output channels and cycles, and which beats."""

    channels: Ints
    cycles: Ints
    stream: int
    beats: Ints


def _in_order(found: list[_Events]) -> tuple[tuple[int, int, int], ...]:
    """Events by channel and cycle; a commit comes after what its channel needs."""
    channels, cycles, beats = (
        np.concatenate(each)
        for each in ([e.channels for e in found], [e.cycles for e in found], [e.beats for e in found])
    )
    streams = np.concatenate([np.full(len(each.beats), each.stream) for each in found])
    order = np.lexsort((streams == COMMIT, cycles, channels))
    return tuple(zip(cycles[order].tolist(), streams[order].tolist(), beats[order].tolist(), strict=True))


def _streams(step: Pass, spec: Spec) -> Iterator[tuple[int, Ints]]:
    """Of each slot's gaps, and of each slot's codes: all bits, and [O] those of each output channel."""
    outputs = len(step.weights.integers)
    if spec.feed == "dense":
        bits = np.full(outputs, WEIGHT_WIDTH * step.placement.positions)
        yield from [(int(bits.sum()), bits)] * spec.slots
        return
    coding = step.coding
    coded, span = coding.streams, coding.way.span
    if coded.gap_code is None:
        yield from [(0, np.zeros(outputs, np.int64))] * spec.slots
    else:
        for stream, item in zip(coded.gaps, coding.items, strict=True):
            lengths = coded.gap_code.lengths[gap_symbols_of(item, spec)]
            channel = np.minimum(item.target // span, outputs - 1)  # the last escapes go beyond the end
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
