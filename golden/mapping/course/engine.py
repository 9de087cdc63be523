"""The engine's course through the tiles of a pass; see `hw.system.tile_control` and `hw.engine.control`."""

from __future__ import annotations

from collections.abc import Iterator

from shiftbook.golden.mapping.course.loader import Loader
from shiftbook.golden.mapping.course.residuals import Residuals
from shiftbook.golden.mapping.course.store import Store
from shiftbook.golden.mapping.course.streams import Streams
from shiftbook.golden.mapping.course.tile_work import COMMIT, TileWork
from shiftbook.golden.mapping.course.timing import BUFFER_STEPS, NEVER
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.spec import PARTIAL_BYTES, Spec

TILE_STEPS = 2
"""Cycles from a tile's last commit to the start of the next."""

REST_STEPS = 1
"""Of them more, where something is left in the streams' last beats: it is dropped."""

RELEASE_STEPS = 2
"""From a tile's last commit to the cycle in which its columns have room, besides those of a lookup."""


class Engine:
    """Runs tile after tile, an event after another.

    Parameters
    ----------
    step, spec
        The pass, and on which engine.
    work
        Of each tile.
    parts
        What brings and takes its data.
    begin
        The cycle in which the layer begins.

    Attributes
    ----------
    at
        The cycle of the next event; ``NEVER`` while it waits for what was not asked for yet, and at the end.
    starts, ends
        The cycles in which each tile starts, and of its last commit.
    first
        The cycle in which the first output channel is committed.
    over
        The cycle in which all tiles were run and drained; ``NEVER`` before.
    free
        That from which on it does not read the banks any more.
    between
        Cycles from the end of a tile to the start of the next, where nothing waits.
    """

    def __init__(
        self,
        step: Pass,
        spec: Spec,
        work: TileWork,
        parts: tuple[Loader, Streams, Residuals, Store],
        begin: int,
    ) -> None:
        self.at = NEVER
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.first = NEVER
        self.over = self.free = NEVER
        self.between = TILE_STEPS + REST_STEPS * work.rest
        self._spec, self._layout, self._work = spec, step.layout, work
        self._loader, self._streams, self._residuals, self._store = parts
        self._adds = step.residual is not None
        self._drain = (PARTIAL_BYTES if step.partial_out else 1) * spec.drain_cycles
        self._committed = -self._drain  # the cycle of the last commit
        self._came = 0  # the cycle in which the last beat came that was asked for
        self._later = [
            event for event in work.events if event[1] == COMMIT or not self._streams.kept[event[1]]
        ]  # of all tiles but the first
        self._walk_on = self._walk(begin + 1)
        self.resume()

    def resume(self) -> None:
        """The event is there, or something has changed that it waits for."""
        next(self._walk_on, None)

    def _walk(self, earliest: int) -> Iterator[None]:
        """Tile after tile; the first starts in cycle ``earliest`` at the soonest."""
        rows, cols = self._layout.tiles
        beside = self._layout.left + self._layout.right
        for tile in range(rows * cols):
            row, col = divmod(tile, cols)
            column = row * self._layout.columns + col + beside
            yield from self._start(column, earliest)
            yield from self._rows(tile)
            end = self._committed
            self.ends.append(end)
            self._loader.release(
                end + RELEASE_STEPS + self._spec.lookup_cycles, 1 + beside * (col == cols - 1)
            )
            earliest = end + self.between
            yield from self._drop(tile, earliest)
            earliest = max(earliest, self.at)
        self.at = NEVER
        self.free = self._committed + RELEASE_STEPS + self._spec.lookup_cycles
        self.over = self._store.drained(self._committed)

    def _start(self, column: int, earliest: int) -> Iterator[None]:
        """Start when the last column that the tile needs is there."""
        there = self._loader.there
        if len(there) <= column or there[column] > earliest:
            self._streams.spare(True, earliest)
        while len(there) <= column:
            self.at = NEVER
            yield
        self.at = max(earliest, there[column])
        yield
        self._streams.spare(False, self.at)
        self.starts.append(self.at)

    def _rows(self, tile: int) -> Iterator[None]:
        """All output channels of a tile; a slot that waits holds up the others at the end of its channel."""
        slots = self._spec.slots
        begin = max(self.at + 1 + self._spec.start_cycles, self._committed + self._drain)
        self._committed = begin  # no channel is shorter than a drain, nor is the first, which has none
        late, end = [0] * slots, 0  # cycles that each slot has waited, and when the last of those is over
        for cycle, stream, beat, leaves, rest in self._work.events if not tile else self._later:
            if stream == COMMIT:
                yield from self._commit(max(begin + cycle, end))
                begin = self._committed
                if end:
                    late, end = [0] * slots, 0
                continue
            slot = (stream - 1) % slots
            now = begin + cycle + (late[slot] if stream else 0)
            if leaves:
                self.at = now
                yield
                self._streams.take(stream, now)
                continue
            yield from self._beat(stream, tile, beat)
            needed = self._came + self._steps(stream, beat)
            if needed > now:
                late[slot] += (needed - now) * (stream > 0)
                end = max(end, needed + rest)

    def _steps(self, stream: int, beat: int) -> int:
        """From a beat to what needs it: channel parameters, weights, or codes; gaps are decoded ahead."""
        if not stream:
            return BUFFER_STEPS
        if self._spec.feed == "dense":
            return BUFFER_STEPS + 1
        return BUFFER_STEPS + 3 + (stream <= self._spec.slots and not beat)

    def _beat(self, stream: int, tile: int, beat: int) -> Iterator[None]:
        """Wait until it is known when a beat of a stream comes."""
        there = self._streams.there[stream]
        index = beat if self._streams.kept[stream] else tile * self._work.beats[stream] + beat
        while len(there) <= index:
            self.at = NEVER
            yield
        self._came = there[index]

    def _commit(self, now: int) -> Iterator[None]:
        """Commit an output channel, when the one before is drained and its outputs have room."""
        now = max(now, self._committed + self._drain, self._store.room())
        if self._adds:
            while (ready := self._residuals.ready()) == NEVER:
                self.at = NEVER
                yield
            now = max(now, ready)
        self.at = now
        yield
        self._committed = now
        self.first = min(self.first, now)
        self._store.commit(now)
        if self._adds:
            self._residuals.commit(now + self._spec.accumulate_cycles + self._drain)

    def _drop(self, tile: int, earliest: int) -> Iterator[None]:
        """Drop what is left of the streams' beats, all of which must have come."""
        at = earliest
        for stream, beats in enumerate(self._work.beats):
            if beats and not (tile and self._streams.kept[stream]):
                yield from self._beat(stream, tile, beats - 1)
                at = max(at, self._came + BUFFER_STEPS + 1)
                self._streams.take(stream, earliest)
        self.at = at
