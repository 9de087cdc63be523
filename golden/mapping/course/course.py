"""The course of a program: what each part of the accelerator does when, burst by burst."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shiftbook.golden.mapping.ahead import Ahead
from shiftbook.golden.mapping.course.engine import Engine
from shiftbook.golden.mapping.course.loader import Loader
from shiftbook.golden.mapping.course.program import PASS_COMMANDS, Program, Told
from shiftbook.golden.mapping.course.read_bus import ReadBus
from shiftbook.golden.mapping.course.reader import Reader
from shiftbook.golden.mapping.course.residuals import Residuals
from shiftbook.golden.mapping.course.store import Store
from shiftbook.golden.mapping.course.streams import Streams
from shiftbook.golden.mapping.course.tile_work import TileWork
from shiftbook.golden.mapping.course.timing import NEVER
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.spec import Spec


class Task(NamedTuple):
    """A pass of a program.

    Attributes
    ----------
    step
        The pass.
    work
        Of each of its tiles.
    ahead
        What it may do while the one before runs.
    told
        What the memory image has of it.
    """

    step: Pass
    work: TileWork
    ahead: Ahead
    told: Told


@dataclass(frozen=True)
class Course:
    """When things happen in a pass, in cycles from the beginning of the program.

    Attributes
    ----------
    starts, ends
        Of each tile: its start, and the commit of its last output channel.
    between
        Cycles from the end of a tile to the start of the next, where nothing waits.
    first
        The first output channel of all is committed.
    over
        All outputs are sent, those of the last pass in memory.
    read_beats, write_beats
        On the bus, without the program.
    local_beats
        Of the tensor buffer, read and written.
    """

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    between: int
    first: int
    over: int
    read_beats: int
    write_beats: int
    local_beats: int

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
        breaks = zip(self.starts[1:], self.ends[:-1], strict=True)
        late = sum(start - end - self.between for start, end in breaks)
        return late + sum(end - start - busy for start, end in tiles) - (self.first - self.starts[0] - first)


def follow(tasks: Sequence[Task], spec: Spec, latency: int) -> list[Course]:
    """Follow a program.

    Parameters
    ----------
    latency
        Of the memory, in cycles.
    """
    return _Machine(tasks, spec, latency).run()


class _Running:
    """A pass and its parts, as far as they have begun."""

    def __init__(self, task: Task, before: _Running | None) -> None:
        self.task = task
        self.before = before
        self.loader: Loader
        self.streams: Streams | None = None
        self.engine: Engine
        self.residuals: Residuals
        self.store: Store
        self.begun = NEVER  # the cycle in which it is run
        self.earlier = 0  # that in which memory has the outputs of all layers before; known when it is run

    def may_load(self, now: int, row: int, column: int) -> int:
        """The cycle from ``now`` on in which a column of the input is in memory, and the banks are free.

        Once the pass is run, the outputs of the one before are not counted: all of them must be in memory.
        """
        if self.before is None:
            return now
        ahead, before = self.task.ahead, self.before
        free = 0 if ahead.apart else before.engine.free
        needed = ahead.after + row * ahead.row_step + column * ahead.column_step
        there = max(now, free, before.store.in_memory(needed), before.settled)
        return there if there <= self.begun else max(now, self.settled)

    @property
    def settled(self) -> int:
        """The cycle in which memory has the outputs of all layers before."""
        return 0 if self.before is None else self.before.complete

    @property
    def complete(self) -> int:
        """The cycle in which it has this one's, too. A tensor buffer may have these before those."""
        return max(self.earlier, self.store.in_memory(1 << 60))

    @property
    def found(self) -> int:
        """The cycle in which the first tile's columns are there and its streams need not spare the bus.

        It may be before the pass is run, though the program is known farther than the loader.
        """
        beside = self.task.step.layout.left + self.task.step.layout.right
        if self.streams is None or not self.streams.sparing or len(self.loader.there) <= beside:
            return NEVER
        if self.begun < NEVER and self.engine.starts:
            return NEVER
        return max(self.loader.there[beside], self.streams.begin + 1)

    def spare_no_more(self) -> None:
        """The first tile's columns are there."""
        assert self.streams is not None
        self.streams.spare(False, self.found)

    def course(self, over: int) -> Course:
        """What has become of it."""
        assert self.streams is not None
        local = self.task.told.local
        tensors = (
            (local.source, self.loader.beats),
            (local.residual, self.residuals.beats),
            (local.target, self.store.beats),
        )
        on_bus = [0 if stays else beats for stays, beats in tensors]
        return Course(
            starts=tuple(self.engine.starts),
            ends=tuple(self.engine.ends),
            between=self.engine.between,
            first=self.engine.first,
            over=over,
            read_beats=on_bus[0] + on_bus[1] + self.streams.beats,
            write_beats=on_bus[2],
            local_beats=sum(beats for stays, beats in tensors if stays),
        )


class _Machine:
    """All parts, which share the bus."""

    def __init__(self, tasks: Sequence[Task], spec: Spec, latency: int) -> None:
        self.spec = spec
        self.latency = latency
        self.tasks = tasks
        self.bus = ReadBus(spec, latency)
        self.courses: list[Course] = []
        self.running: _Running | None = None  # the last pass that was begun
        self.coming: _Running | None = None  # the pass that is loaded and not begun
        self.loaded: list[_Running] = []
        self.readers: list[Reader | Streams] = []
        self.program = Program(spec, tasks[0].told, self._walk)

    def run(self) -> list[Course]:
        """Event after event, until the program is over."""
        while len(self.courses) < len(self.tasks):
            self._let_happen()
            self._notice()
        return self.courses

    def _let_happen(self) -> None:
        """The next event; of those of one cycle, the bus is given away last."""
        readers = [self.program, *self.readers]  # the most urgent first
        soonest = max(self.bus.free, min([reader.at for reader in readers]))
        cycle, happen = soonest, None
        if self.running is not None and self.running.engine.at <= cycle:
            cycle, happen = self.running.engine.at, self.running.engine.resume
        for each in self.loaded:
            if each.loader.claims <= cycle:
                cycle, happen = each.loader.claims, each.loader.resume
            if each.found <= cycle:
                cycle, happen = each.found, each.spare_no_more
        if happen is not None:
            happen()
        else:
            next(reader for reader in readers if reader.at <= soonest).grant(self.bus, soonest)

    def _join(self) -> None:
        """Find the passes that have begun and are not over, and who shares the bus with the program."""
        self.loaded = [each for each in (self.coming, self.running) if each is not None]
        running = [] if self.running is None else [self.running.residuals]
        streams = [each.streams for each in reversed(self.loaded) if each.streams is not None]
        self.readers = [*streams, *running, *(each.loader for each in reversed(self.loaded))]

    def _notice(self) -> None:
        """Let go on whoever waits for what may have happened."""
        if self.running is not None and self.running.engine.at == NEVER:
            self.running.engine.resume()
        if self.program.at == NEVER:
            self.program.resume()

    def _walk(self, program: Program) -> Iterator[None]:
        """Carry the program out."""
        yield from program.begin(self.tasks[0].told.header)
        for task in self.tasks:
            yield from self._carry_out(program, task)
        yield from program.words(sum(self.tasks[-1].told.words[PASS_COMMANDS:]))
        last = self.running
        assert last is not None
        yield from program.until(lambda: _over(last))
        over = max(program.now, last.complete)
        self.courses.append(last.course(over))
        program.at = NEVER

    def _carry_out(self, program: Program, task: Task) -> Iterator[None]:
        """A pass up to the cycle in which the next one's input can be configured."""
        before, coming = self.running, _Running(task, self.running)
        words = task.told.words
        yield from program.words(words[0])
        if before is not None and before.streams is not None:
            streams = before.streams
            yield from program.until(lambda: streams.fetched)
        coming.loader = Loader(task.step, self.spec, program.now, coming.may_load, task.told.local.source)
        self.coming = coming
        self._join()
        program.now += 1
        yield from program.words(words[1])
        if before is not None:
            engine = before.engine
            yield from program.until(lambda: engine.over)
        self._fetch(coming, program.now)
        program.now += 1
        yield from program.words(words[2])
        if before is not None:
            yield from program.until(lambda: _over(before))
            self.courses.append(before.course(_over(before)))
        program.now += 1
        yield from program.words(words[3])
        self._begin(coming, program.now)
        program.now += 1
        loader = coming.loader
        yield from program.until(lambda: loader.over)
        program.now += 1

    def _fetch(self, coming: _Running, now: int) -> None:
        """Fetch the streams of a pass."""
        task = coming.task
        rows, cols = task.step.layout.tiles
        addresses = task.told.streams or (0,) * len(task.work.beats)
        coming.streams = Streams(task.work.beats, addresses, rows * cols, self.spec, now)
        self._join()

    def _begin(self, coming: _Running, now: int) -> None:
        """Run a pass."""
        step, spec = coming.task.step, self.spec
        local = coming.task.told.local
        coming.begun, coming.earlier = now, coming.settled
        assert coming.streams is not None
        coming.residuals = Residuals(step, spec, now, coming.settled, local.residual)
        coming.store = Store(step, spec, self.latency, local.target)
        parts = coming.loader, coming.streams, coming.residuals, coming.store
        coming.engine = Engine(step, spec, coming.task.work, parts, now)
        self.running, self.coming = coming, None
        self._join()


def _over(each: _Running) -> int:
    """The cycle in which a pass was run and all of its outputs were sent; ``NEVER`` while it is not known."""
    return max(each.engine.over, each.store.sent)
