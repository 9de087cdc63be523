"""SRAM macros of a technology: one rule for all sizes, fitted to macros that are published."""

from __future__ import annotations

from dataclasses import dataclass

from shiftbook.synth.technologies.memory import Memory


@dataclass(frozen=True)
class Rule:
    """A figure of a macro: ``(base + word * words) * (1 + bit * bits)``.

    A macro is an array of cells beside its drivers, decoders and sense amplifiers. These grow with its sides,
    so that its area is a product of two lengths, each of a fixed part and one in proportion.

    Parameters
    ----------
    base, word
        The fixed part and that of a word, in the figure's unit.
    bit
        What a bit of the word adds, as a share.
    error
        Largest relative error against the published macros.
    """

    base: float
    word: float
    bit: float
    error: float

    def of(self, words: int, bits: int) -> float:
        """The figure of a macro of this size."""
        return (self.base + self.word * words) * (1 + self.bit * bits)


@dataclass(frozen=True)
class Tiling:
    """A memory as equal macros beside and above each other, and copies of all of them.

    Parameters
    ----------
    words, bits
        Of a macro.
    deep, wide, copies
        How many: ``wide`` of them make a word, ``deep`` of these all words; each read port has a copy.
    """

    words: int
    bits: int
    deep: int
    wide: int
    copies: int

    @property
    def count(self) -> int:
        """Macros in all."""
        return self.deep * self.wide * self.copies


@dataclass(frozen=True)
class Macro:
    """A kind of SRAM.

    Parameters
    ----------
    ports
        Accesses in a cycle.
    words, bits
        Smallest and largest size for which the rules are used.
    area
        Square micrometres.
    read, write
        Picojoules of an access; None where nothing is known.
    """

    ports: int
    words: tuple[int, int]
    bits: tuple[int, int]
    area: Rule
    read: Rule | None = None
    write: Rule | None = None

    def fits(self, memory: Memory) -> bool:
        """Whether macros can hold it: one read port and all write ports of a copy at a time."""
        return memory.clocked and memory.writes + min(memory.reads, 1) <= self.ports

    def tiling(self, memory: Memory) -> Tiling:
        """The fewest macros that hold it; a smaller memory takes the smallest macro."""
        deep, wide = -(-memory.words // self.words[1]), -(-memory.bits // self.bits[1])
        return Tiling(
            words=max(-(-memory.words // deep), self.words[0]),
            bits=max(-(-memory.bits // wide), self.bits[0]),
            deep=deep,
            wide=wide,
            copies=max(memory.reads, 1),
        )
