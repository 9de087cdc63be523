"""A mapped design as bags of cells by module, and what it costs when every instance is counted."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from shiftbook.synth.flow.weights import MEMORY_CELLS
from shiftbook.synth.technologies.memory import Memory

# What one `abc` with `stime` logs of a module; it logs no delay of a module without gates.
TIMED = re.compile(
    r"Extracting gate netlist of module `\\(\S+)'|^ABC: WireLoad .* Delay = *([0-9.]+) ps", re.MULTILINE
)


class CellCost(Protocol):
    """Anything that prices a mapped cell and refuses a cell that it does not know."""

    def total(self, cells: Mapping[str, int]) -> float:
        """Cost of a bag of cells, by type."""


@dataclass(frozen=True)
class Module:
    """One module after mapping, without what its submodules hold.

    Parameters
    ----------
    cells
        Mapped logic cells by type.
    children
        Instances of other modules, by module.
    memories
        How many of each memory are declared here; their cells are left out of ``cells``.
    delay
        Of the longest path between registers, memories and ports, in picoseconds; None where it was not
        asked for.
    circuit
        Yosys' JSON of the module; None where it was not asked for.
    """

    cells: dict[str, int]
    children: dict[str, int]
    memories: dict[Memory, int] = field(default_factory=dict)
    delay: float | None = None
    circuit: dict[str, Any] | None = None

    @property
    def memory_bits(self) -> int:
        """Bits of the memories declared here."""
        return sum(count * memory.size for memory, count in self.memories.items())


@dataclass(frozen=True)
class Netlist:
    """A mapped hierarchy: every distinct module once."""

    top: str
    modules: dict[str, Module]
    yosys: str

    def below(self, root: str) -> Netlist:
        """The netlist of one of its modules, as if that were the top."""
        return Netlist(root, self.modules, self.yosys)

    def instances(self, root: str | None = None) -> dict[str, int]:
        """How often each module occurs below ``root`` (the top by default), ``root`` itself once."""
        counts: dict[str, int] = {}

        def visit(name: str, times: int) -> None:
            counts[name] = counts.get(name, 0) + times
            for child, number in self.modules[name].children.items():
                visit(child, times * number)

        visit(self.top if root is None else root, 1)
        return counts

    def cost(self, prices: CellCost, root: str | None = None) -> float:
        """Cost of ``root`` with everything below it, each instance counted."""
        return sum(
            times * prices.total(self.modules[name].cells) for name, times in self.instances(root).items()
        )

    def slowest(self, root: str | None = None) -> str:
        """The module with the longest path, of ``root`` and all below it; the first by name of equal ones."""
        return min(self.instances(root), key=lambda name: (-(self.modules[name].delay or 0.0), name))

    def memories(self, root: str | None = None) -> dict[Memory, int]:
        """How many of each memory ``root`` has with everything below it."""
        found: dict[Memory, int] = {}
        for name, times in self.instances(root).items():
            for memory, count in self.modules[name].memories.items():
                found[memory] = found.get(memory, 0) + times * count
        return found

    def memory_bits(self, root: str | None = None) -> int:
        """Memory bits of ``root`` with everything below it."""
        return sum(count * memory.size for memory, count in self.memories(root).items())


def cheaper(one: Module, other: Module | None, prices: CellCost) -> Module:
    """The module that costs less; the first if they cost the same or there is no other."""
    if other is None or prices.total(one.cells) <= prices.total(other.cells):
        return one
    return other


def parse_stat(
    text: str, known: Container[str], memories: Mapping[str, dict[Memory, int]] | None = None
) -> tuple[dict[str, Module], str]:
    """The modules that ``stat -json`` describes, and the Yosys that wrote it.

    Parameters
    ----------
    known
        Names of all modules of the design; what is in none of them is a cell.
    memories
        Of each module that has any.
    """
    report = json.loads(text)
    modules = {}
    for name, entry in report["modules"].items():
        kinds = {kind.removeprefix("\\"): count for kind, count in entry["num_cells_by_type"].items()}
        modules[name.removeprefix("\\")] = Module(
            cells={k: n for k, n in kinds.items() if k not in known and k not in MEMORY_CELLS},
            children={k: n for k, n in kinds.items() if k in known},
            memories=(memories or {}).get(name.removeprefix("\\"), {}),
        )
    return modules, report["creator"]


def parse_memories(text: str) -> dict[str, dict[Memory, int]]:
    """How many of each memory a module declares, by module, from Yosys' JSON of its ``$mem_v2`` cells."""
    found: dict[str, dict[Memory, int]] = {}
    for name, module in json.loads(text)["modules"].items():
        kinds = found.setdefault(name, {})
        for cell in module["cells"].values():
            memory = _memory(cell["parameters"])
            kinds[memory] = kinds.get(memory, 0) + 1
    return found


def _memory(parameters: Mapping[str, Any]) -> Memory:
    """A memory from its cell's parameters, which are binary numbers."""
    words, bits, reads, writes = (
        int(parameters[name], 2) for name in ("SIZE", "WIDTH", "RD_PORTS", "WR_PORTS")
    )
    return Memory(words, bits, reads, writes, clocked="0" not in parameters["RD_CLK_ENABLE"])


def parse_delays(log: str) -> dict[str, float]:
    """Picoseconds of the longest path by module, from a log that names each module before its delay.

    Raises
    ------
    RuntimeError
        A delay without a module of its own: figures would be of other modules than they say.
    """
    delays: dict[str, float] = {}
    module = None
    for name, delay in TIMED.findall(log):
        if name:
            module = name
        elif module is None:
            raise RuntimeError(f"a delay of {delay} ps in the log belongs to no module")
        else:
            delays[module] = float(delay)
            module = None
    return delays
