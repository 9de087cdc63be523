"""Measures Amaranth components: Verilog in this process, Yosys beside it, several designs at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from amaranth.lib import wiring

from hw.verilog import emit
from synth.liberty import Liberty
from synth.mapping import map_design
from synth.netlist import Netlist
from synth.weights import GateWeights
from synth.yosys import Yosys, find_yosys

PROCESSES = 2
"""Yosys runs at a time."""

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
    """

    weights: GateWeights
    liberty: Liberty | None = None


@dataclass(frozen=True)
class Measured:
    """One design.

    Parameters
    ----------
    top
        Name of its top module; all others begin with it.
    verilog
        What was measured.
    gates
        Mapped to gates, module by module.
    cells
        Mapped to the ruler's library, module by module; None without a library.
    flat
        Mapped to gates without hierarchy; None where it was not asked for.
    """

    top: str
    verilog: str
    gates: Netlist
    cells: Netlist | None = None
    flat: Netlist | None = None


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
    kinds = ["gates"] + ["cells"] * (ruler.liberty is not None) + ["flat"] * flat
    steps = _Steps(len(designs) * (1 + len(kinds)), progress)
    yosys = find_yosys()
    sources: dict[str, tuple[str, str]] = {}
    jobs: dict[str, dict[str, Future[Netlist]]] = {}
    with ThreadPoolExecutor(PROCESSES) as pool:
        for name, make in designs.items():
            component = make()
            top = type(component).__name__.lower()
            verilog = emit(component, top)
            steps.done(f"{name}: Verilog")
            sources[name] = top, verilog
            jobs[name] = {kind: pool.submit(_map, kind, verilog, top, ruler, yosys) for kind in kinds}
        measured = {}
        for name, futures in jobs.items():
            netlists = {}
            for kind, future in futures.items():
                netlists[kind] = future.result()
                steps.done(f"{name}: {kind}")
            measured[name] = Measured(
                *sources[name], netlists["gates"], netlists.get("cells"), netlists.get("flat")
            )
    return measured


def _map(kind: str, verilog: str, top: str, ruler: Ruler, yosys: Yosys) -> Netlist:
    """One of the netlists of `Measured`, by its name there."""
    if kind == "cells" and ruler.liberty is not None:
        return map_design(verilog, top, ruler.liberty, liberty=ruler.liberty, yosys=yosys)
    return map_design(verilog, top, ruler.weights, flat=kind == "flat", yosys=yosys)


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
