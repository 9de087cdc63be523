"""How weight streams come; see `hw.system.stream_fetcher` and `hw.system.stream_buffer`."""

from __future__ import annotations

from collections.abc import Sequence

from shiftbook.golden.isa.buffers import SPARING_BEATS
from shiftbook.golden.mapping.course.read_bus import ReadBus
from shiftbook.golden.mapping.course.timing import NEVER
from shiftbook.golden.spec import Spec


class Streams:
    """Looks at one stream a cycle, in turn, and asks for a burst of one with room.

    Parameters
    ----------
    beats, addresses
        Of a pass over each stream, and where it begins.
    tiles
        Passes; a stream that fits its buffer is fetched once.
    spec
        Buffers.
    begin
        The cycle in which the layer begins.

    Attributes
    ----------
    at
        The cycle of its next request; ``NEVER`` while no stream has room.
    there
        For each stream the cycles in which its beats came, pass after pass.
    begin
        The cycle in which they are fetched from.
    sparing
        Whether something else is more urgent.
    beats
        That were taken of the bus.
    """

    def __init__(
        self, beats: Sequence[int], addresses: Sequence[int], tiles: int, spec: Spec, begin: int
    ) -> None:
        self.at = NEVER
        self.begin = begin
        self.there: list[list[int]] = [[] for _ in beats]
        self.sparing = True
        self.beats = 0
        self._spec = spec
        self._each, self._addresses = beats, addresses
        self.kept = [size <= spec.buffer_beats for size in beats]
        self._left = [size * (1 if keep else tiles) for size, keep in zip(beats, self.kept, strict=True)]
        self._taken = [0] * len(beats)
        self._new = set(range(len(beats)))  # streams not looked at
        self._number, self._since = 0, begin + 1  # the stream that is looked at, and in which cycle
        self._free = begin + 1  # the cycle from which on it looks at those that have beats
        self._look(begin + 1)

    def take(self, number: int, cycle: int) -> None:
        """A beat of a stream leaves its buffer; those of a kept stream never do."""
        if not self.kept[number]:
            self._taken[number] += 1
            self._notice(cycle)

    @property
    def fetched(self) -> int:
        """The cycle in which all beats have come; ``NEVER`` while it is not known."""
        if any(self._left):
            return NEVER
        return 1 + max((there[-1] for there in self.there if there), default=-1)

    def spare(self, sparing: bool, cycle: int) -> None:
        """From this cycle on something else is more urgent, or it is not."""
        self.sparing = sparing
        self._notice(cycle)

    def _notice(self, cycle: int) -> None:
        """Look again, unless a stream was chosen already."""
        if self.at > cycle + 1:
            self._look(cycle)

    def grant(self, bus: ReadBus, cycle: int) -> None:
        """A burst is taken."""
        number = self._number
        beats = self._each[number]
        here = (self._left[number] - 1) % beats + 1  # left of the pass
        address = self._addresses[number] + beats - here
        burst = bus.take(cycle, address, min(here, SPARING_BEATS) if self.sparing else here)
        self.there[number].extend(range(burst.first, burst.last + 1))
        self.beats += burst.beats
        self._left[number] -= burst.beats
        self._go_on(number, cycle + 1)

    def _go_on(self, number: int, cycle: int) -> None:
        """Go on to the next stream. One without beats takes two cycles, the first time only."""
        self._new.discard(number)
        following = number + 1
        while following in self._new and not self._each[following]:
            self._new.remove(following)
            following, cycle = following + 1, cycle + 2
        self._number, self._since, self._free = following % len(self._each), cycle, cycle
        self._look(cycle)

    def _room(self, number: int) -> bool:
        owed = len(self.there[number]) - self._taken[number]
        if self.sparing:
            return owed == 0
        return self.kept[number] or owed <= self._spec.buffer_beats - self._spec.burst_beats

    def _look(self, cycle: int) -> None:
        """Find the first stream with room from this cycle on, and when it is its turn."""
        count, cycle = len(self._each), max(cycle, self._free)
        self._number, self._since = (self._number + cycle - self._since) % count, cycle
        turns = [
            (number - self._number) % count
            for number in range(count)
            if self._left[number] and self._room(number)
        ]
        if not turns:
            self.at = NEVER
            return
        turn = min(turns)
        self._number, self._since = (self._number + turn) % count, cycle + turn
        self.at = self._since + 1
