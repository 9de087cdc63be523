"""What a memory is, whatever holds it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Memory:
    """A memory as the design declares it.

    Parameters
    ----------
    words, bits
        Its words, and bits of a word.
    reads, writes
        Ports.
    clocked
        Whether every read takes a clock edge, as it does in an SRAM.
    """

    words: int
    bits: int
    reads: int = 1
    writes: int = 1
    clocked: bool = True

    @property
    def size(self) -> int:
        """Bits in all."""
        return self.words * self.bits
