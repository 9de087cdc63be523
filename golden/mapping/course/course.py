"""The course of a pass: what each part of the accelerator does when, burst by burst, channel by channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shiftbook.golden.mapping.course.engine import TILE_STEPS, Engine
from shiftbook.golden.mapping.course.loader import Loader
from shiftbook.golden.mapping.course.program import Program, Told
from shiftbook.golden.mapping.course.read_bus import ReadBus
from shiftbook.golden.mapping.course.reader import Reader
from shiftbook.golden.mapping.course.residuals import Residuals
from shiftbook.golden.mapping.course.store import Store
from shiftbook.golden.mapping.course.streams import Streams
from shiftbook.golden.mapping.course.tile_work import TileWork
from shiftbook.golden.mapping.course.timing import NEVER
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.spec import Spec

ACKNOWLEDGE_STEPS = 2
"""From a write's last beat to the cycle in which it counts as written, besides the memory's latency."""


@dataclass(frozen=True)
class Course:
    """When things happen in a pass, in cycles from its beginning.

    Attributes
    ----------
    starts, ends
        Of each tile: its start, and the commit of its last output channel.
    first
        The first output channel of all is committed.
    over
        All outputs are in memory.
    read_beats, write_beats
        Without the program.
    """

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    first: int
    over: int
    read_beats: int
    write_beats: int

    def waits(self, busy: int, first: int) -> int:
        """Cycles in which tiles wait for what comes or goes on the bus, but for the first beats of streams.

        Parameters
        ----------
        busy
            Cycles of a tile that does not wait.
        first
            Those up to the commit of its first output channel.
        """
        tiles = zip(self.starts, self.ends, strict=True)
        between = zip(self.starts[1:], self.ends[:-1], strict=True)
        late = sum(start - end - TILE_STEPS for start, end in between)
        return late + sum(end - start - busy for start, end in tiles) - (self.first - self.starts[0] - first)


def follow(step: Pass, work: TileWork, spec: Spec, latency: int, told: Told) -> Course:
    """Follow a pass.

    Parameters
    ----------
    work
        Of each of its tiles.
    latency
        Of the memory, in cycles.
    told
        What the memory image has of it.
    """
    bus = ReadBus(spec, latency)
    program = Program(spec, told)
    while program.at != NEVER:
        _grant(bus, (program,))
    load = max(program.now, bus.quiet)
    loader = Loader(step, spec, load)
    program.go_on(load + 1)
    while not program.over:
        _grant(bus, (program, loader))
    begin, tiles = program.now, step.layout.tiles[0] * step.layout.tiles[1]
    addresses = told.streams or (0,) * len(work.beats)
    streams = Streams(work.beats, addresses, tiles, spec, begin)
    residuals, store = Residuals(step, spec, begin), Store(step, spec)
    engine = Engine(step, spec, work, (loader, streams, residuals, store), begin)
    readers = streams, residuals, loader
    while not engine.over:
        if engine.at < NEVER and engine.at <= max(bus.free, min(reader.at for reader in readers)):
            engine.resume()
            continue
        _grant(bus, readers)
        if engine.at == NEVER:
            engine.resume()
    return Course(
        starts=tuple(engine.starts),
        ends=tuple(engine.ends),
        first=engine.first,
        over=store.idle - 1 + max(latency, 1) + ACKNOWLEDGE_STEPS,
        read_beats=sum(reader.beats for reader in readers),
        write_beats=store.beats,
    )


def _grant(bus: ReadBus, readers: Sequence[Reader | Streams]) -> None:
    """Take a burst as soon as one can be, for the first of those who want one by then."""
    cycle = max(bus.free, min(reader.at for reader in readers))
    assert cycle < NEVER, "nobody goes on"
    next(reader for reader in readers if reader.at <= cycle).grant(bus, cycle)
