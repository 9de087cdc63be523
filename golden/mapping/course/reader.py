"""What asks the bus for beats: a walk that stops at each burst until it is taken."""

from __future__ import annotations

from collections.abc import Iterator

from shiftbook.golden.mapping.course.read_bus import Burst, ReadBus
from shiftbook.golden.mapping.course.timing import NEVER


class Reader:
    """One of those that share the bus.

    Parameters
    ----------
    walk
        Yields with ``at`` set, and is resumed when a burst was taken or what it waits for has changed.
    local
        Whether what it reads is in the tensor buffer.

    Attributes
    ----------
    at
        The cycle of its next request; ``NEVER`` while there is none.
    burst, granted
        What was taken last, and in which cycle.
    beats
        That were taken.
    """

    burst: Burst
    granted: int

    def __init__(self, walk: Iterator[None], local: bool = False) -> None:
        self.at = NEVER
        self._local = local
        self.beats = 0
        self._place = 0, 0, 0  # address, beats, and when the first of them can be taken
        self._walk_on = walk
        self.resume()

    def resume(self) -> None:
        """Walk to the next request."""
        next(self._walk_on, None)

    def grant(self, bus: ReadBus, cycle: int) -> None:
        """Take the burst that it asks for."""
        address, beats, ready = self._place
        self.burst = bus.take(cycle, address, beats, ready, self._local)
        self.granted = cycle
        self.beats += self.burst.beats
        self.resume()

    def ask(self, at: int, address: int, beats: int, ready: int = 0) -> Iterator[None]:
        """Ask for beats, a burst after another; ``ready`` is the cycle in which the first can be taken."""
        while beats:
            self.at = at
            self._place = address, beats, ready
            yield
            address += self.burst.beats
            beats -= self.burst.beats
            at, ready = self.granted + 1, 0
