"""The energy of an accelerator's logic: what its mapped modules take in the cycles that the RTL told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shiftbook.synth.flow.liberty import load_liberty
from shiftbook.synth.flow.mapping import map_designs
from shiftbook.synth.flow.merge import Design
from shiftbook.synth.power.cells import load_cells
from shiftbook.synth.power.circuit import Circuit, Wire, cells_used, circuits, instances
from shiftbook.synth.power.glitches import timed
from shiftbook.synth.power.price import price
from shiftbook.synth.power.replay import check, settled
from shiftbook.synth.technologies.technology import Technology

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MappedLogic:
    """A design in cells.

    Parameters
    ----------
    circuits
        The glue of each module.
    paths
        Its instances: the root that was asked for, and names of instances below it.
    voltage
        Of the supply.
    """

    circuits: Mapping[str, Circuit]
    paths: Mapping[str, list[str]]
    voltage: float

    @property
    def watched(self) -> dict[str, tuple[Wire, ...]]:
        """Wires that the RTL has to tell of each module, in the order that `module_energy` takes."""
        return {
            name: tuple(circuit.wires[net] for net in circuit.watched.tolist())
            for name, circuit in self.circuits.items()
            if len(circuit.watched)
        }

    def chosen(self, most: int, seed: int = 0) -> dict[str, list[str]]:
        """Some instances of each module that is watched, at most so many, as the seed tells."""
        found = {}
        random = np.random.default_rng(seed)
        for name in self.watched:
            paths = self.paths[name]
            places = random.choice(len(paths), min(most, len(paths)), replace=False)
            found[name] = [paths[place] for place in sorted(places.tolist())]
        return found


@dataclass(frozen=True, eq=False)
class ModuleEnergy:
    """What all instances of a module take, by window: the mean of a cycle.

    Parameters
    ----------
    name
        The module's.
    instances, sampled
        How many there are, and how many were sampled.
    cells
        Of one.
    settled
        Picojoules [windows] where every net changes once at most: the lower bound.
    timed
        The same with what glitches add.
    clock
        The part of both that the clock takes.
    compared
        Bits that were equal in the RTL and in the netlist.
    """

    name: str
    instances: int
    sampled: int
    cells: int
    settled: Numbers
    timed: Numbers
    clock: Numbers
    compared: int


def map_logic(verilog: str, top: str, technology: Technology, root: str) -> MappedLogic:
    """Map a design to the cells of a technology, as the gate report does.

    Parameters
    ----------
    root
        Path of the design in the simulator.

    Raises
    ------
    ShiftbookError
        The technology's cell library is not here, cannot map the design or does not tell energies.
    """
    paths = technology.library()
    liberty = load_liberty(paths)
    netlist = map_designs({top: Design(top, verilog)}, liberty, liberty=liberty, circuits=True)[top]
    cells = load_cells(paths, cells_used(netlist))
    return MappedLogic(circuits(netlist, cells, technology.load), instances(netlist, root), cells.voltage)


def module_energy(mapped: MappedLogic, name: str, told: NDArray[np.uint8], length: int) -> ModuleEnergy:
    """What a module takes.

    Parameters
    ----------
    told
        uint8 [instances, wires, cycles] of the wires in `MappedLogic.watched`.
    length
        Cycles of a window.

    Raises
    ------
    synth.power.replay.Difference
        The mapped netlist does something else than the RTL.
    """
    circuit = mapped.circuits[name]
    sampled, _, cycles = told.shape
    columns = sampled * cycles
    bits = told.transpose(1, 0, 2).reshape(-1, columns)
    by_net = dict(zip(circuit.watched.tolist(), bits, strict=True))
    first = np.arange(columns) % length == 0
    values = settled(circuit, by_net, columns)
    compared = check(circuit, values, by_net, first)
    spent = price(circuit, values, first, mapped.voltage)
    glitching = timed(circuit, values, first, mapped.voltage)
    count = len(mapped.paths[name])

    def by_window(changes: Numbers) -> Numbers:
        return count * changes.reshape(sampled, cycles // length, length - 1).mean(axis=(0, 2))

    return ModuleEnergy(
        name,
        count,
        sampled,
        circuit.cells,
        settled=by_window(spent.total),
        timed=by_window(spent.total - spent.gates + glitching),
        clock=by_window(spent.clock),
        compared=compared,
    )
