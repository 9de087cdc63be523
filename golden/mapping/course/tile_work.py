"""What the engine does in a tile: rows of one output channel after another, and the beats that these need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.coding.bits import Stream
from shiftbook.golden.coding.items import Items, code_symbols_of, gap_symbols_of
from shiftbook.golden.coding.streams import LayerStreams
from shiftbook.golden.isa.registers import parameter_word_width
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.spec import WEIGHT_WIDTH, Spec

Ints = NDArray[np.int64]

COMMIT = -1
"""In place of a stream's number."""

WORDS_AHEAD = 2
"""Words of a stream that a decoder holds."""


@dataclass(frozen=True)
class TileWork:
    """One tile, as it runs where nothing waits.

    Attributes
    ----------
    beats
        Of each stream: channel parameters, gaps of each slot (coded feed), codes of each slot.
    events
        (cycle, stream, beat), the cycle since the first output channel began: a beat of a stream is needed,
        or with `COMMIT`, an output channel has issued its rows. The first beats of the slots' streams are
        not among them.
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
    times, streams, beats = [begins[1::each]], [np.zeros(sizes[0], np.int64)], [np.arange(sizes[0])]
    for number, (bits, of_channels) in enumerate(_streams(step, spec), 1):
        sizes.append(-(-bits // beat))
        if sizes[-1] > 1:
            later = np.arange(1, sizes[-1])
            ends = np.concatenate([[0], np.cumsum(of_channels())])
            times.append(np.interp(later * beat - WORDS_AHEAD * spec.word_width, ends, begins).astype(int))
            streams.append(np.full(len(later), number))
            beats.append(later)
    commits = np.full(len(slowest), COMMIT)
    return TileWork(tuple(sizes), _in_order([*times, begins[1:]], [*streams, commits], [*beats, commits]))


def _in_order(times: list[Ints], streams: list[Ints], beats: list[Ints]) -> tuple[tuple[int, int, int], ...]:
    """Events by time; a commit comes after what it needs."""
    time, stream, beat = (np.concatenate(each) for each in (times, streams, beats))
    order = np.lexsort((stream == COMMIT, time))
    return tuple(zip(time[order].tolist(), stream[order].tolist(), beat[order].tolist(), strict=True))


def _streams(step: Pass, spec: Spec) -> Iterator[tuple[int, Callable[[], Ints]]]:
    """Of each slot's gaps, and of each slot's codes: all bits, and how to count those of output channels."""
    outputs = len(step.weights.integers)
    if spec.feed == "dense":
        bits = WEIGHT_WIDTH * step.placement.positions
        for _ in range(spec.slots):
            yield bits * outputs, partial(np.full, outputs, bits)
        return
    coding = step.coding
    coded, span = coding.streams, coding.way.span
    for stream, item in zip(coded.gaps, coding.items, strict=False):
        yield _bits(stream, spec), partial(_gap_bits, coded, item, span, outputs, spec)
    if not coded.gaps:
        yield from [(0, partial(np.zeros, outputs, np.int64))] * spec.slots
    for stream, item in zip(coded.codes, coding.items, strict=True):
        yield _bits(stream, spec), partial(_code_bits, coded, item, span, outputs)


def _bits(stream: Stream, spec: Spec) -> int:
    """Bits of a stream as it is sent."""
    return (stream.bits // spec.word_width + WORDS_AHEAD) * spec.word_width


def _gap_bits(coded: LayerStreams, item: Items, span: int, outputs: int, spec: Spec) -> Ints:
    assert coded.gap_code is not None
    lengths = coded.gap_code.lengths[gap_symbols_of(item, spec)]
    return np.bincount(np.minimum(item.target // span, outputs - 1), lengths, outputs).astype(np.int64)


def _code_bits(coded: LayerStreams, item: Items, span: int, outputs: int) -> Ints:
    real = ~item.is_escape
    lengths = coded.code_code.lengths[code_symbols_of(item)].reshape(int(real.sum()), -1).sum(axis=1)
    return np.bincount(item.target[real] // span, lengths, outputs).astype(np.int64)
