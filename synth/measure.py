"""Measures Amaranth components: Verilog in this process, Yosys beside it, several designs at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from amaranth.lib import wiring

from hw.verilog import emit
from synth.liberty import Liberty
from synth.mapping import map_once
from synth.netlist import CellCost, Netlist
from synth.weights import GateWeights
from synth.yosys import find_yosys

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


class Run(NamedTuple):
    """One run of Yosys; ``kind`` is a netlist of `Measured`."""

    kind: str
    booth: bool


def measure(
    designs: Mapping[str, wiring.Component],
    ruler: Ruler,
    *,
    flat: bool = False,
    progress: Progress | None = None,
) -> dict[str, Measured]:
    """Measure designs by name, each module with the cheaper of Yosys' default multiplier and Booth's.

    Raises
    ------
    ShiftbookError
        No Yosys starts here, or a design needs cells that the library lacks.
    """
    kinds = ["gates"] + ["cells"] * (ruler.liberty is not None) + ["flat"] * flat
    runs = [Run(kind, booth) for kind in kinds for booth in (False, True)]
    steps = _Steps(len(designs) * (1 + len(runs)), progress)
    yosys = find_yosys()
    sources: dict[str, tuple[str, str]] = {}
    jobs: dict[str, dict[Run, Future[Netlist]]] = {}
    with ThreadPoolExecutor(PROCESSES) as pool:
        for name, component in designs.items():
            top = type(component).__name__.lower()
            verilog = emit(component, top)
            steps.done(f"{name}: Verilog")
            sources[name] = top, verilog
            jobs[name] = {
                run: pool.submit(
                    map_once,
                    verilog,
                    top,
                    booth=run.booth,
                    flat=run.kind == "flat",
                    liberty=ruler.liberty if run.kind == "cells" else None,
                    yosys=yosys,
                )
                for run in runs
            }
        measured = {}
        for name, futures in jobs.items():
            netlists = {}
            for run, future in futures.items():
                netlists[run] = future.result()
                steps.done(f"{name}: {run.kind}{', Booth multipliers' * run.booth}")
            best = _best(netlists, ruler)
            measured[name] = Measured(*sources[name], best["gates"], best.get("cells"), best.get("flat"))
    return measured


def _best(netlists: Mapping[Run, Netlist], ruler: Ruler) -> dict[str, Netlist]:
    """Of every kind the netlist with the cheaper multipliers."""
    best = {}
    for kind in dict.fromkeys(run.kind for run in netlists):
        prices: CellCost = ruler.liberty if kind == "cells" and ruler.liberty else ruler.weights
        best[kind] = netlists[Run(kind, False)].cheaper_of(netlists[Run(kind, True)], prices)
    return best


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
