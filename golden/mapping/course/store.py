"""How outputs leave: a group of channels, in bursts for each beat of a block; see `hw.system.store`."""

from __future__ import annotations

from collections import deque

from shiftbook.golden.isa.buffers import STORE_GROUPS
from shiftbook.golden.mapping.course.blocks import stored_beats
from shiftbook.golden.mapping.course.timing import NEVER
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.spec import PARTIAL_BYTES, Spec

BURST_STEPS = 3
"""Cycles of a burst besides its beats: it is announced, then taken, and the memory becomes ready."""

LOCAL_BURST_STEPS = 1
"""The same of a burst to the tensor buffer, which is always ready."""

DRAIN_STEPS = 5
"""From the cycle in which a drain begins to its first beat."""

ACKNOWLEDGE_STEPS = 2
"""From a write's last beat to the cycle in which it counts as written, besides the memory's latency."""

LOCAL_ACKNOWLEDGE_STEPS = 1
"""The same in the tensor buffer."""


class Store:
    """Sends a group after another.

    Parameters
    ----------
    step, spec
        Whose outputs they are.
    latency
        Of the memory, in cycles.
    local
        Whether they go to the tensor buffer.

    Attributes
    ----------
    idle
        The cycle after the last beat so far.
    written
        For each burst so far, the cycle in which it counts as written.
    beats
        That were sent.
    """

    def __init__(self, step: Pass, spec: Spec, latency: int, local: bool = False) -> None:
        self.idle = 0
        self.written: list[int] = []
        self.beats = 0
        self._spec = spec
        self._steps = LOCAL_BURST_STEPS if local else BURST_STEPS
        self._delay = LOCAL_ACKNOWLEDGE_STEPS if local else max(latency, 1) + ACKNOWLEDGE_STEPS
        self._left = step.layout.tiles[0] * step.layout.tiles[1]
        self._target, self._layout = step.target, step.layout
        self._each = PARTIAL_BYTES if step.partial_out else 1
        looked_up = step.conv.requantize.function is not None
        steps = spec.accumulate_cycles + looked_up + DRAIN_STEPS
        self._drained = steps + self._each * spec.drain_cycles
        self._channels = self._each * len(step.conv.weights.integers)  # in memory, of a tile
        self._tile, self._first, self._here = 0, 0, 0  # group that is collected; its channels so far
        self._free = STORE_GROUPS * spec.group_channels
        self._freed: deque[tuple[int, int]] = deque()  # cycles in which groups are gone, and their channels
        self._room = 0

    @property
    def over(self) -> bool:
        """Whether it is known when all outputs were sent."""
        return self._left == 0

    @property
    def sent(self) -> int:
        """The cycle in which all outputs were sent; ``NEVER`` while it is not known."""
        return self.idle if self.over else NEVER

    def drained(self, commit: int) -> int:
        """The cycle in which the engine rests after the commit of the last output channel."""
        return commit + self._drained

    def in_memory(self, bursts: int) -> int:
        """The cycle in which memory has so many bursts, or all; ``NEVER`` while it is not known."""
        if 0 < bursts <= len(self.written):
            return self.written[bursts - 1]
        if bursts and not self.over:
            return NEVER
        return self.written[-1] if bursts else 0

    def room(self) -> int:
        """The first cycle in which there is room for another output channel."""
        while self._free < self._each:
            self._room, channels = self._freed.popleft()
            self._free += channels
        return self._room

    def commit(self, cycle: int) -> None:
        """An output channel is committed; send the group that it completes."""
        self._free -= self._each
        self._here += self._each
        size = min(self._spec.group_channels, self._channels - self._first)
        while size and self._here >= size:
            self._send(cycle + self._drained, size)
            self._here -= size
            self._first += size
            if self._first == self._channels:
                self._tile, self._first = self._tile + 1, 0
                self._left -= 1
            size = min(self._spec.group_channels, self._channels - self._first) if self._here else 0

    def _send(self, complete: int, size: int) -> None:
        longest = self._spec.burst_beats
        cycle = max(complete, self.idle) + 1
        for address in stored_beats(self._target, self._layout, self._tile, self._first, self._spec):
            first = min(size, longest - address % longest)
            for beats in (first, size - first) if size > first else (first,):
                cycle += self._steps + beats
                self.written.append(cycle - 1 + self._delay)
            self.beats += size
        self.idle = cycle
        self._freed.append((cycle, size))
