"""What memories cost: each is held by the SRAM macros or the flip-flops that take less area."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shiftbook.synth.flow.weights import GateWeights
from shiftbook.synth.technologies.macro import Macro
from shiftbook.synth.technologies.memory import Memory
from shiftbook.synth.technologies.technology import Technology

REGISTER, OUTPUT, MUX, AND = "$_DFFE_PP_", "$_DFF_P_", "$_MUX_", "$_AND_"


@dataclass(frozen=True)
class Held:
    """A memory in silicon.

    Parameters
    ----------
    ge
        NAND2 equivalents of its area.
    held_by
        For people: the macros, or flip-flops.
    read, write
        Picojoules of an access; None for flip-flops, and where nothing is known.
    """

    ge: float
    held_by: str
    read: float | None = None
    write: float | None = None


@dataclass(frozen=True)
class MemoryCost:
    """Prices memories.

    Parameters
    ----------
    weights
        Of the gates around flip-flops.
    technology
        Whose macros there are; its NAND2 turns their area into GE.
    """

    weights: GateWeights
    technology: Technology

    def held(self, memory: Memory) -> Held:
        """The cheapest way to hold a memory."""
        return min(self._ways(memory), key=lambda way: way.ge)

    def total(self, memories: Mapping[Memory, int]) -> float:
        """GE of a bag of memories."""
        return sum(count * self.held(memory).ge for memory, count in sorted(memories.items()))

    def _ways(self, memory: Memory) -> Iterator[Held]:
        yield Held(flip_flop_ge(memory, self.weights), "flip-flops")
        for macro in self.technology.macros:
            if macro.fits(memory):
                yield self._in_macros(memory, macro)

    def _in_macros(self, memory: Memory, macro: Macro) -> Held:
        """The memory in macros of one kind; an access is one of all that make a word."""
        tiling = macro.tiling(memory)
        words, bits = tiling.words, tiling.bits
        area = tiling.count * macro.area.of(words, bits)
        return Held(
            ge=area / self.technology.gate,
            held_by=f"{tiling.count} x {words:,} x {bits}, {macro.ports} port" + "s" * (macro.ports > 1),
            read=tiling.wide * macro.read.of(words, bits) if macro.read else None,
            write=tiling.wide * tiling.copies * macro.write.of(words, bits) if macro.write else None,
        )


def flip_flop_ge(memory: Memory, weights: GateWeights) -> float:
    """GE of a memory of flip-flops.

    A bit is a flip-flop with an enable, and a multiplexer of a tree for each read port. A word has an AND
    for each write port, which enables it. A clocked read port has a register for its word.
    """
    tree = memory.reads * (memory.words - 1) * memory.bits
    outputs = memory.reads * memory.bits if memory.clocked else 0
    return (
        memory.size * weights.cell(REGISTER)
        + tree * weights.cell(MUX)
        + memory.words * memory.writes * weights.cell(AND)
        + outputs * weights.cell(OUTPUT)
    )
