"""How residuals and partial sums come ahead of the drain; see `hw.system.residual_reader`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from shiftbook.golden.isa.buffers import RESIDUAL_GROUPS
from shiftbook.golden.mapping.course.blocks import block_beats
from shiftbook.golden.mapping.course.reader import Reader
from shiftbook.golden.mapping.course.timing import NEVER
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.spec import PARTIAL_BYTES, Spec


class Residuals(Reader):
    """Asks for a group of channels after another while its buffer has room.

    Parameters
    ----------
    step, spec
        Whose residuals they are.
    begin
        The cycle in which the layer begins.
    settled
        That in which memory has the outputs of all layers before.
    local
        Whether they are in the tensor buffer.
    """

    def __init__(self, step: Pass, spec: Spec, begin: int, settled: int, local: bool = False) -> None:
        self._each = PARTIAL_BYTES if step.partial_in else 1  # channels in memory of an output channel
        self._free = RESIDUAL_GROUPS * spec.group_channels
        self._freed: deque[int] = deque()  # cycles in which output channels leave their places
        self._came: deque[tuple[int, int]] = deque()  # cycles in which groups come, and their channels
        self._there = 0  # channels that came and are not promised to the drain
        self._ready = 0
        self._settled = settled
        super().__init__(self._walk(step, spec, begin + 1), local)

    def ready(self) -> int:
        """The first cycle in which the next output channel may be committed, ``NEVER`` if not known yet."""
        while self._there < self._each:
            if not self._came:
                return NEVER
            self._ready, channels = self._came.popleft()
            self._there += channels
        return self._ready

    def commit(self, taken: int) -> None:
        """An output channel is promised its residuals; they leave their places in cycle ``taken``."""
        self._there -= self._each
        self._freed.append(taken)
        if self.at == NEVER:
            self.resume()

    def _walk(self, step: Pass, spec: Spec, now: int) -> Iterator[None]:
        """Group after group of tile after tile; ``now`` is the cycle in which it looks for room."""
        if step.residual is None:
            return
        channels = self._each * len(step.conv.weights.integers)
        for tile in range(step.layout.tiles[0] * step.layout.tiles[1]):
            for first in range(0, channels, spec.group_channels):
                size = min(spec.group_channels, channels - first)
                while self._free < size:
                    while not self._freed:
                        self.at = NEVER
                        yield
                    now = max(now, self._freed.popleft())
                    self._free += self._each
                self._free -= size
                for address in block_beats(step.residual, tile, first, spec):
                    yield from self.ask(max(now + 1, self._settled), address, size)
                    now = self.granted
                now += 1
                self._came.append((self.burst.last + 1, size))
        self.at = NEVER
