"""The program as words: what each layer writes, without what is there already."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shiftbook.golden.isa import registers
from shiftbook.golden.isa.checksum import checksum
from shiftbook.golden.isa.layer_registers import RESET
from shiftbook.golden.isa.program_format import COUNT_WIDTH, Command
from shiftbook.golden.isa.registers import ADDRESS_WIDTH, Region

Words = NDArray[np.uint32]

LONGEST = 1 << COUNT_WIDTH
"""Words that one address word announces at most."""


class Commands:
    """A program in the making."""

    def __init__(self) -> None:
        self._written = np.full(1 << ADDRESS_WIDTH, -1, np.int64)  # what the accelerator holds
        self._written[registers.address(Region.LAYER, list(RESET))] = 0
        self._pending: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self._unchecked: list[Words] = []
        self._words: list[Words] = []
        self._length = 0
        self._ends: list[int] = []  # words up to each command
        self._counted = 0

    def write(self, region: Region, index: ArrayLike, data: ArrayLike) -> None:
        """Write words of a region; they are sent with the next command, unless they are there already."""
        address = np.atleast_1d(registers.address(region, index)).astype(np.int64)
        self._pending.append((address, np.atleast_1d(np.asarray(data)).astype(np.int64)))

    def command(self, command: Command) -> None:
        """Send what was written, and a command."""
        if self._pending:
            self._send(
                np.concatenate([address for address, _ in self._pending]),
                np.concatenate([data for _, data in self._pending]),
            )
            self._pending = []
        self._emit(_announced(int(registers.address(Region.COMMANDS, command)), 1))
        total = checksum(np.concatenate(self._unchecked))
        self._append(np.array([total], np.uint32))
        self._unchecked = []
        self._ends.append(self._length)

    def counts(self) -> tuple[int, ...]:
        """Words up to each command since this was asked the last time, from the one before."""
        ends = np.array([self._counted, *self._ends])
        self._counted, self._ends = int(ends[-1]), []
        return tuple(np.diff(ends).tolist())

    def words(self) -> Words:
        """All words so far."""
        return np.concatenate(self._words)

    def _send(self, address: NDArray[np.int64], data: NDArray[np.int64]) -> None:
        """Runs of addresses that follow one another; of several writes to one the last counts."""
        _, last = np.unique(address[::-1], return_index=True)
        address, data = address[::-1][last], data[::-1][last]
        changed = self._written[address] != data
        address, data = address[changed], data[changed]
        self._written[address] = data
        if not len(address):
            return
        for run in np.split(np.arange(len(address)), np.flatnonzero(np.diff(address) != 1) + 1):
            for first in range(0, len(run), LONGEST):
                part = run[first : first + LONGEST]
                self._emit(_announced(int(address[part[0]]), len(part)))
                self._emit(data[part].astype(np.uint32))

    def _emit(self, words: Words) -> None:
        self._append(words)
        self._unchecked.append(words)

    def _append(self, words: Words) -> None:
        self._words.append(words)
        self._length += len(words)


def _announced(address: int, count: int) -> Words:
    return np.array([address | (count - 1) << ADDRESS_WIDTH], np.uint32)
