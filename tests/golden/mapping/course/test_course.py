"""Parts of the course of a pass, by hand; tests/sim/test_cycle_model.py holds it against the RTL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from shiftbook.golden.mapping.course.blocks import block_beats
from shiftbook.golden.mapping.course.loader import Segment, columns
from shiftbook.golden.mapping.course.program import Program, Told
from shiftbook.golden.mapping.course.read_bus import Burst, ReadBus
from shiftbook.golden.mapping.course.streams import Streams
from shiftbook.golden.mapping.course.symbols import symbols
from shiftbook.golden.mapping.course.tile_work import COMMIT, tile_work
from shiftbook.golden.mapping.course.timing import NEVER
from shiftbook.golden.mapping.cycles import slot_cycles
from shiftbook.golden.mapping.job import View
from shiftbook.golden.mapping.passes import plan_layer
from shiftbook.golden.spec import DEFAULT, PRESETS
from tests.golden.layers import make_conv


def test_a_burst_ends_at_a_boundary_and_beats_follow_one_another():
    bus = ReadBus(DEFAULT, latency=100)
    assert bus.take(0, address=10, beats=20) == Burst(6, 102, 107)
    assert bus.free == 1
    assert bus.take(1, address=16, beats=14) == Burst(14, 108, 121)
    assert bus.take(300, address=0, beats=1) == Burst(1, 402, 402)
    assert bus.quiet == 403


def test_a_reader_that_is_not_ready_holds_up_all_others():
    bus = ReadBus(DEFAULT, latency=10)
    assert bus.take(0, 0, 4, ready=50) == Burst(4, 50, 53)
    assert bus.take(1, 0, 4) == Burst(4, 54, 57)


def test_few_beats_and_bursts_are_under_way():
    bus = ReadBus(DEFAULT, latency=1000)
    for cycle in range(12):  # longest bursts
        bus.take(cycle, 0, 16)
    assert bus.free == 1002 + 1  # the first beat has come
    bus = ReadBus(replace(DEFAULT, outstanding=3), latency=1000)
    for cycle in range(3):
        bus.take(cycle, 0, 2)
    assert bus.free == 1003 + 1  # the first burst has come


def test_streams_take_turns_and_spare_the_bus():
    bus = ReadBus(DEFAULT, latency=100)
    streams = Streams((6, 0, 100), (0, 0, 0), 2, DEFAULT, begin=0)
    assert streams.kept == [True, True, False]
    taken = []
    while streams.at != NEVER:
        taken.append((streams.at, streams._number))
        streams.grant(bus, streams.at)
    assert taken == [(2, 0), (6, 2)]  # four beats of each, and no more until they are taken
    assert [len(there) for there in streams.there] == [4, 0, 4]
    streams.spare(False, 200)
    while streams.at != NEVER:
        streams.grant(bus, streams.at)
    assert [len(there) for there in streams.there] == [6, 0, 32]  # the buffer is full
    for _ in range(15):
        streams.take(2, 300)
    assert streams.at == NEVER
    streams.take(2, 300)  # a burst has room
    assert 301 <= streams.at < 304


def walk(words: int, program: int) -> Program:
    """A program of so many beats, of which some words are taken."""

    def taken(program: Program) -> Iterator[None]:
        yield from program.begin(header=False)
        yield from program.words(words)
        program.at = NEVER

    return Program(DEFAULT, Told(program=program), taken)


def test_the_program_goes_on_while_a_burst_has_room():
    program = walk(8 * 16 + 7, program=1000)
    assert (program.at, program.now) == (128, 128)  # 16 of 32 beats were taken whole
    program.grant(ReadBus(DEFAULT, 100), 130)
    assert (program.at, program.now) == (NEVER, 135)


def test_a_program_ends():
    assert walk(8 * 16, program=32).at == NEVER


def test_what_is_not_known_yet_is_waited_for():
    known = [NEVER]

    def waiting(program: Program) -> Iterator[None]:
        yield from program.until(lambda: known[0])
        yield from program.until(lambda: 5)
        program.at = NEVER

    program = Program(DEFAULT, Told(), waiting)
    assert (program.at, program.now) == (NEVER, 0)
    known[0] = 40
    program.resume()
    assert program.now == 40


def test_columns_are_pixels_and_padding():
    """A 3x3 layer of 12 x 12 pixels: padding above and to the left of the first tile."""
    conv = replace(make_conv(np.random.default_rng(0), (4, 3, 3, 8), density=1.0), padding=(1, 1, 1, 1))
    (step,) = plan_layer(conv, (12, 12, 8), DEFAULT)
    found = list(columns(step, DEFAULT))
    assert len(found) == 2 * (2 + 2)
    assert found[0] == [[Segment(None, 2 * 2)]]  # two channels a slot, the tile's own block and others
    above, first, *_ = found[1][0]
    assert above == Segment(None, 2)
    assert first == Segment(0, 8)
    assert found[2][0][1] == Segment(2 * 8, 8)  # the next block has two beats of each channel


def test_a_block_lies_beat_by_beat():
    view = View("x", first=3, channels=8, whole=20)
    assert list(block_beats(view, tile=2, first=4, spec=DEFAULT)) == [2 * 40 + 7, 2 * 40 + 27]


def test_beats_are_needed_before_their_rows():
    conv = make_conv(np.random.default_rng(0), (4, 3, 3, 64), density=0.5)
    (step,) = plan_layer(conv, (8, 8, 64), DEFAULT)
    issued, skipped = slot_cycles(step, DEFAULT)
    work = tile_work(step, issued + skipped, DEFAULT)
    commits = [event.cycle for event in work.events if event.stream == COMMIT]
    assert commits == (issued + skipped).max(axis=1).tolist()
    for stream, beats in enumerate(work.beats):
        leave = [event.beat for event in work.events if event.stream == stream and event.leaves]
        needed = [event.beat for event in work.events if event.stream == stream and not event.leaves]
        assert leave == list(range(beats - 1))
        assert needed == list(range(len(needed)))
        assert len(needed) >= beats - 1  # the words behind the last symbol may fill another beat
    assert all(event.rest >= 0 for event in work.events)
    assert all(event.rest + event.cycle <= max(commits) for event in work.events)


@pytest.mark.parametrize("gaps", [True, False])
def test_symbols_take_their_bits_and_cycles(gaps):
    """From symbol to symbol a slot moves by the bits of its code; a channel begins with cycle 0."""
    conv = make_conv(np.random.default_rng(1), (6, 3, 3, 32), density=0.3, gapless=not gaps)
    (step,) = plan_layer(conv, (8, 8, 32), DEFAULT)
    coded, items = step.coding.streams, step.coding.items
    found = list(symbols(step, DEFAULT))
    assert bool(found[0].words) is gaps
    codes = found[DEFAULT.slots :]
    for stream, item, sent in zip(codes, items, coded.codes, strict=True):
        used = item.code[~item.is_escape].ravel()
        lengths = coded.code_code.lengths[used]
        assert np.diff(stream.bit, append=sent.bits).tolist() == lengths.tolist()
        begins = np.flatnonzero(np.diff(stream.channel, prepend=-1))
        assert (stream.cycle[begins] == 0).all() or item.is_escape.any()
        assert (np.diff(stream.cycle)[np.diff(stream.channel) == 0] > 0).all()


def test_dense_weights_come_one_a_cycle():
    spec = replace(PRESETS["int8"], slots=2)
    conv = make_conv(np.random.default_rng(1), (3, 1, 1, 8), density=1.0)
    (step,) = plan_layer(conv, (8, 8, 8), spec)
    first = next(symbols(step, spec))
    assert first.cycle.tolist() == [0, 1, 2, 3] * 3
    assert first.bit.tolist() == list(range(0, 3 * 4 * spec.weight_width, spec.weight_width))


def test_a_stream_without_beats_is_looked_at_once():
    """Two cycles for each stream that is empty, in the first round and never again."""
    spec = replace(DEFAULT, buffer_beats=32)
    full, empty = (Streams(beats, (0, 0, 0), 40, spec, begin=0) for beats in ((64, 64, 64), (64, 0, 64)))
    for each, second in ((full, 4), (empty, 6)):
        bus = ReadBus(spec, 10)
        assert each.at == 2
        each.grant(bus, each.at)
        assert each.at == second
