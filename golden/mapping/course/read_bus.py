"""All reads of a pass in order: when a burst is taken and its beats come; see `hw.system.read_master`."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from shiftbook.golden.isa.buffers import BURSTS_IN_FLIGHT
from shiftbook.golden.spec import Spec

ADDRESS_STEPS = 2
"""Cycles from the one in which a burst is taken to that of its first beat, besides the memory's latency."""

LOCAL_STEPS = 3
"""The same of a burst of the tensor buffer."""


class Burst(NamedTuple):
    """Beats that come one after another, a beat a cycle."""

    beats: int
    first: int
    last: int


class ReadBus:
    """Bursts that never cross a multiple of the longest one, answered in the order in which they were taken.

    Parameters
    ----------
    spec
        Longest burst, bursts that may be under way.
    latency
        Of the memory, in cycles; it answers in the cycle after the address at the soonest.

    Attributes
    ----------
    free
        The cycle in which the next burst can be taken.
    """

    def __init__(self, spec: Spec, latency: int) -> None:
        self.free = 0
        self._longest = spec.burst_beats
        self._most = spec.outstanding
        self._beats_in_flight = BURSTS_IN_FLIGHT * spec.burst_beats
        self._delay = ADDRESS_STEPS + max(latency, 1)
        self._come = -1  # the cycle of the last beat so far
        self._under_way: deque[Burst] = deque()
        self._in_flight = 0

    @property
    def quiet(self) -> int:
        """The cycle in which nothing is under way that was asked for."""
        return self._come + 1

    def take(self, cycle: int, address: int, beats: int, ready: int = 0, local: bool = False) -> Burst:
        """Take as many of these beats as a burst may have, in a cycle not before ``free``.

        Parameters
        ----------
        ready
            The cycle in which the reader can take the first beat, where it makes the bus wait.
        local
            Whether they are in the tensor buffer.
        """
        length = min(beats, self._longest - address % self._longest)
        first = max(cycle + (LOCAL_STEPS if local else self._delay), self._come + 1, ready)
        burst = Burst(length, first, first + length - 1)
        self._come = burst.last
        self._under_way.append(burst)
        self._in_flight += length
        self.free = self._next(cycle + 1)
        return burst

    def _next(self, cycle: int) -> int:
        """The first cycle from this one on in which bursts and beats under way leave room for another."""
        waiting = self._under_way
        while waiting and waiting[0].last < cycle:
            self._in_flight -= waiting.popleft().beats
        while len(waiting) >= self._most:
            cycle = waiting[0].last + 1
            self._in_flight -= waiting.popleft().beats
        surplus = self._in_flight - self._beats_in_flight + 1
        for burst in waiting:
            if surplus <= 0:
                break
            cycle = max(cycle, burst.first + min(surplus, burst.beats))
            surplus -= burst.beats
        return cycle
