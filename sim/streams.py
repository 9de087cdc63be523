"""Both ends of a ready/valid stream for cocotb benches, with pauses.

All ends of a bench move in step: they look at the settled wires before a rising edge (on the falling
one) and change theirs after it. A transfer is an edge at which valid and ready are both high.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from cocotb.triggers import FallingEdge, RisingEdge

Pause = Iterator[bool]
"""For each cycle, whether this end holds back: no valid from a source, no ready from a sink."""


def never() -> Pause:
    """No pauses: a source is never idle, a sink is always ready."""
    while True:
        yield False


def randomly(probability: float, seed: int) -> Pause:
    """Pauses with ``probability`` in each cycle, in runs of random length."""
    generator = random.Random(seed)
    while True:
        length = generator.randint(1, 6)
        pause = generator.random() < probability
        for _ in range(length):
            yield pause


class End(ABC):
    """One end of the stream whose signals are ``name__payload``, ``name__valid`` and ``name__ready``."""

    def __init__(self, dut: Any, name: str, pause: Pause | None = None) -> None:
        self.name = name
        self.clock = dut.clk
        self.payload = getattr(dut, f"{name}__payload", None)  # absent where it is zero bits wide
        self.valid = getattr(dut, f"{name}__valid")
        self.ready = getattr(dut, f"{name}__ready", None)  # absent where it is always 1
        self.pause = never() if pause is None else pause

    async def run(self) -> None:
        """Play until nothing is left to do."""
        self.drive(False)
        while not self.finished():
            await FallingEdge(self.clock)
            moved = bool(self.valid.value) and (self.ready is None or bool(self.ready.value))
            taken = int(self.payload.value) if moved and self.payload is not None else 0
            await RisingEdge(self.clock)
            self.drive(moved, taken)

    @abstractmethod
    def drive(self, moved: bool, taken: int = 0) -> None:
        """Set this end's wires after an edge at which a payload ``taken`` was ``moved`` or not."""

    @abstractmethod
    def finished(self) -> bool:
        """Whether everything has been transferred."""


class Source(End):
    """Offers ``items`` (payloads as unsigned integers), each until it is taken."""

    def __init__(self, dut: Any, name: str, items: Iterable[int], pause: Pause | None = None) -> None:
        super().__init__(dut, name, pause)
        self.items = iter(items)
        self.next: int | None = next(self.items, None)
        self.offered = False
        self.valid.value = 0

    def drive(self, moved: bool, taken: int = 0) -> None:
        """See :meth:`End.drive`."""
        if moved:
            self.next = next(self.items, None)
            self.offered = False
        # valid must not fall before the transfer
        self.offered = self.offered or (self.next is not None and not next(self.pause))
        self.valid.value = int(self.offered)
        if self.offered and self.payload is not None:
            self.payload.value = self.next

    def finished(self) -> bool:
        """See :meth:`End.finished`."""
        return self.next is None


class Sink(End):
    """Takes ``count`` payloads into ``items``, as unsigned integers."""

    def __init__(self, dut: Any, name: str, count: int, pause: Pause | None = None) -> None:
        super().__init__(dut, name, pause)
        self.count = count
        self.items: list[int] = []
        if self.ready is not None:
            self.ready.value = 0

    def drive(self, moved: bool, taken: int = 0) -> None:
        """See :meth:`End.drive`."""
        if moved:
            self.items.append(taken)
        if self.ready is not None:
            self.ready.value = int(not self.finished() and not next(self.pause))

    def finished(self) -> bool:
        """See :meth:`End.finished`."""
        return len(self.items) >= self.count
