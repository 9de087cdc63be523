"""Measures Amaranth components: Verilog in this process, Yosys beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from amaranth.lib import wiring

from shiftbook.hw.verilog import emit
from shiftbook.synth.flow.liberty import Liberty
from shiftbook.synth.flow.mapping import map_designs, map_flat
from shiftbook.synth.flow.memories import MemoryCost
from shiftbook.synth.flow.merge import Design
from shiftbook.synth.flow.netlist import Netlist
from shiftbook.synth.flow.weights import GateWeights
from shiftbook.synth.flow.yosys import find_yosys
from shiftbook.synth.technologies.technology import DEFAULT, technology

Progress = Callable[[int, int, str], None]
"""Called as (steps done, steps in all, what was done last)."""


@dataclass(frozen=True)
class Ruler:
    """What designs are measured with.

    Parameters
    ----------
    weights
        Gate weights in NAND2 equivalents.
    liberty
        A cell library, to map to its cells as well, or None.
    ge_area
        Area of a GE in that library, which turns GE of memories into area.
    """

    weights: GateWeights
    liberty: Liberty | None = None
    ge_area: float | None = None

    @property
    def memories(self) -> MemoryCost:
        """Prices memories: by the library's technology where it has macros, else by the default one."""
        own = self.liberty.technology if self.liberty else None
        return MemoryCost(self.weights, own if own and own.macros else technology(DEFAULT))


@dataclass(frozen=True)
class Measured:
    """One design.

    Parameters
    ----------
    design
        What was measured; the names of all modules begin with that of the top.
    gates
        Mapped to gates, module by module.
    cells
        Mapped to the ruler's library, module by module; None without a library.
    flat
        Mapped to gates without hierarchy; None where it was not asked for.
    flat_cells
        Mapped to the ruler's library without hierarchy; None without a library or where it was not asked for.
    """

    design: Design
    gates: Netlist
    cells: Netlist | None = None
    flat: Netlist | None = None
    flat_cells: Netlist | None = None


def measure(
    designs: Mapping[str, Callable[[], wiring.Component]],
    ruler: Ruler,
    *,
    flat: bool = False,
    progress: Progress | None = None,
) -> dict[str, Measured]:
    """Measure designs.

    Parameters
    ----------
    designs
        By name, what makes the component; called when its turn comes.
    flat
        Also map each design without hierarchy.
    progress
        Called after every step.

    Raises
    ------
    ShiftbookError
        No Yosys starts here, or a design needs cells that the library lacks.
    """
    steps = _Steps(len(designs) + 1 + (ruler.liberty is not None) + flat * len(designs), progress)
    yosys = find_yosys()
    sources = {}
    for name, make in designs.items():
        component = make()
        top = type(component).__name__.lower()
        sources[name] = Design(top, emit(component, top))
        steps.done(f"{name}: Verilog")
    gates = map_designs(sources, ruler.weights, yosys=yosys)
    steps.done("gates")
    cells: Mapping[str, Netlist] = {}
    if ruler.liberty is not None:
        cells = map_designs(sources, ruler.liberty, liberty=ruler.liberty, yosys=yosys)
        steps.done("cells")
    flattened, flat_cells = {}, {}
    for name, source in sources.items() if flat else ():
        flattened[name] = map_flat(source, ruler.weights, yosys=yosys)
        if ruler.liberty is not None:
            flat_cells[name] = map_flat(source, ruler.liberty, liberty=ruler.liberty, yosys=yosys)
        steps.done(f"{name}: without hierarchy")
    return {
        name: Measured(source, gates[name], cells.get(name), flattened.get(name), flat_cells.get(name))
        for name, source in sources.items()
    }


class _Steps:
    """Counts steps and tells the progress callback, if there is one."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.total = total
        self.progress = progress
        self.count = 0

    def done(self, what: str) -> None:
        self.count += 1
        if self.progress is not None:
            self.progress(self.count, self.total, what)
