"""A mapped module as arrays: its nets, its cells by kind in the order of their levels, and where it ends.

The glue of one level of the hierarchy only: what instances of other modules and memories give is an input,
and what they take an output. Each net that has a name in the RTL can be compared with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftbook.synth.flow.netlist import Netlist
from shiftbook.synth.flow.weights import MEMORY_CELLS
from shiftbook.synth.power.cells import Cell, Cells, unpriced

Indices = NDArray[np.intp]
Wire = tuple[str, int]
"""A name in the RTL, and which bit of it."""

CLOCK = "clk"
"""The port that every clocked module takes its clock from."""

OWN_NAME = re.compile(r"_\d+_|\$(?:auto|func|proc|flatten)\b.*")
"""Names that Yosys gave; the RTL does not have them."""

ZERO, ONE = 0, 1
"""The first two nets, which are constants."""


@dataclass(frozen=True, eq=False)
class Kind:
    """Cells of one kind that can be evaluated together.

    Parameters
    ----------
    cell
        What they are.
    inputs, outputs
        Nets [cells, pins], as `cell` orders its pins.
    """

    cell: Cell
    inputs: Indices
    outputs: Indices


@dataclass(frozen=True, eq=False)
class Circuit:
    """The glue of a module.

    Parameters
    ----------
    name
        The module's.
    wires
        Of nets with a name in the RTL, by net.
    sources
        Nets that something outside drives: input ports, instances, memories.
    sinks
        Nets that go outside; those with a name.
    gates
        Kinds of gates; a kind comes after all that drive it.
    flip_flops
        Kinds of flip-flops.
    own_load
        Femtofarads of the pins of this module's cells on each net.
    load
        Those, and what else is on the net: pins of instances, and the technology's load at output ports.
    """

    name: str
    wires: Mapping[int, Wire]
    sources: Indices
    sinks: Indices
    gates: tuple[Kind, ...]
    flip_flops: tuple[Kind, ...]
    own_load: NDArray[np.float64]
    load: NDArray[np.float64]

    @property
    def nets(self) -> int:
        """How many nets there are."""
        return len(self.load)

    @property
    def states(self) -> Indices:
        """Nets that flip-flops drive."""
        return _joined([kind.outputs.ravel() for kind in self.flip_flops])

    @property
    def watched(self) -> Indices:
        """Nets whose values the RTL has to tell, each once."""
        return np.unique(np.concatenate([self.sources, self.states, self.sinks]))

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return sum(len(kind.inputs) for kind in (*self.gates, *self.flip_flops))


def circuits(netlist: Netlist, cells: Cells, load: float) -> dict[str, Circuit]:
    """The circuit of each module of a netlist that was mapped with its circuits.

    Parameters
    ----------
    load
        Femtofarads on each output of a module.
    """
    ports: dict[str, dict[str, list[float]]] = {}
    found: dict[str, Circuit] = {}

    def visit(name: str) -> None:
        if name in found:
            return
        raw = netlist.modules[name].circuit
        assert raw is not None
        for child in netlist.modules[name].children:
            visit(child)
        draft = _Draft(name, raw, cells, ports)
        found[name] = draft.circuit(load)
        ports[name] = {port: draft.loads_of(each["bits"]) for port, each in raw["ports"].items()}

    for name in netlist.instances():
        visit(name)
    return found


def cells_used(netlist: Netlist) -> set[str]:
    """Names of the cells of a netlist."""
    return {kind for name in netlist.instances() for kind in netlist.modules[name].cells}


def instances(netlist: Netlist, root: str) -> dict[str, list[str]]:
    """Paths of the instances of each module, ``root`` before the name of the first instance."""
    found: dict[str, list[str]] = {}

    def visit(module: str, path: str) -> None:
        found.setdefault(module, []).append(path)
        raw = netlist.modules[module].circuit
        assert raw is not None
        for name, cell in raw["cells"].items():
            if cell["type"] in netlist.modules:
                visit(cell["type"], f"{path}.{plain(name)}")

    visit(netlist.top, root)
    return found


def plain(name: str) -> str:
    """A name as the RTL has it; Yosys marks those that begin with a dollar."""
    return name.removeprefix("\\")


class _Draft:
    """A module while its circuit is made.

    Parameters
    ----------
    name, raw
        The module, and Yosys' JSON of it.
    cells
        The library's.
    ports
        Femtofarads at the bits of each port of the modules below.
    """

    def __init__(
        self,
        name: str,
        raw: Mapping[str, Any],
        cells: Cells,
        ports: Mapping[str, Mapping[str, list[float]]],
    ) -> None:
        self.name = name
        self.raw = raw
        self.library = cells
        self.ports = ports
        bits = {bit for each in raw["netnames"].values() for bit in each["bits"]}
        bits |= {bit for cell in raw["cells"].values() for pin in cell["connections"].values() for bit in pin}
        numbers = sorted(bit for bit in bits if isinstance(bit, int))
        self.nets: dict[int | str, int] = {"0": ZERO, "1": ONE, "x": ZERO, "z": ZERO}
        self.nets |= {bit: 2 + place for place, bit in enumerate(numbers)}
        self.own = np.zeros(2 + len(numbers))
        self.load = np.zeros(2 + len(numbers))
        self.sources: list[int] = []
        self.sinks: list[int] = []
        self.by_kind: dict[str, list[Mapping[str, Any]]] = {}
        self._sort_cells()
        self._add_ports()

    def of(self, bits: Iterable[int | str]) -> list[int]:
        """Nets of bits."""
        return [self.nets[bit] for bit in bits]

    def loads_of(self, bits: Iterable[int | str]) -> list[float]:
        """Femtofarads that hang on bits within this module."""
        return [float(self.load[net]) for net in self.of(bits)]

    def circuit(self, load: float) -> Circuit:
        """What was found."""
        kinds = [self._kind(self.library.cells[name], each) for name, each in self.by_kind.items()]
        for kind in kinds:
            for number, pin in enumerate(kind.cell.inputs):
                np.add.at(self.own, kind.inputs[:, number], kind.cell.capacitance[pin])
        self.load += self.own
        loaded = self.load.copy()
        for port in self.raw["ports"].values():
            if port["direction"] == "output":
                loaded[self.of(port["bits"])] += load
        wires = self._wires()
        flip_flops = [kind for kind in kinds if kind.cell.flip_flop]
        gates = _levelled([kind for kind in kinds if not kind.cell.flip_flop], self.own.size)
        return Circuit(
            name=self.name,
            wires=wires,
            sources=_some(self.sources),
            sinks=_some(net for net in self.sinks if net in wires),
            gates=tuple(gates),
            flip_flops=tuple(flip_flops),
            own_load=self.own,
            load=loaded,
        )

    def _sort_cells(self) -> None:
        """Gates and flip-flops by kind; instances and memories are the world outside."""
        for cell in self.raw["cells"].values():
            kind = cell["type"]
            if kind in self.library.cells:
                self.by_kind.setdefault(kind, []).append(cell["connections"])
                continue
            for pin, bits in cell["connections"].items():
                nets = self.of(bits)
                if cell["port_directions"][pin] == "output":
                    self.sources += nets
                elif not _is_clock(kind, pin):
                    self.sinks += nets
                    if kind not in MEMORY_CELLS:
                        np.add.at(self.load, nets, self.ports[kind][pin])

    def _add_ports(self) -> None:
        for name, port in self.raw["ports"].items():
            nets = self.of(port["bits"])
            if port["direction"] == "output":
                self.sinks += nets
            elif name != CLOCK:
                self.sources += nets

    def _kind(self, cell: Cell, found: list[Mapping[str, Any]]) -> Kind:
        if any(pin not in each for each in found for pin in (*cell.inputs, *cell.outputs)):
            raise unpriced(cell.name, "a cell with no open pin")
        inputs, outputs = (
            np.array([[self.nets[each[pin][0]] for pin in pins] for each in found], np.intp).reshape(
                len(found), len(pins)
            )
            for pins in (cell.inputs, cell.outputs)
        )
        return Kind(cell, inputs, outputs)

    def _wires(self) -> dict[int, Wire]:
        """A name of the RTL for each net that has one; of several the plainest."""
        found: dict[int, Wire] = {}
        names = {
            plain(name): each["bits"]
            for name, each in self.raw["netnames"].items()
            if not each.get("hide_name")
        }
        for name in sorted(names, key=lambda name: ("$" in name, "." in name, len(name), name)):
            if OWN_NAME.fullmatch(name):
                continue
            for place, bit in enumerate(names[name]):
                found.setdefault(self.nets[bit], (name, place))
        return found


def _is_clock(kind: str, pin: str) -> bool:
    return pin in ("RD_CLK", "WR_CLK") if kind in MEMORY_CELLS else pin == CLOCK


def _levelled(kinds: list[Kind], nets: int) -> list[Kind]:
    """The same gates in more kinds, each after all kinds that drive it."""
    level = np.zeros(nets, np.intp)
    levels = [np.zeros(len(kind.inputs), np.intp) for kind in kinds]
    for _ in range(nets):
        changed = False
        for number, kind in enumerate(kinds):
            deeper = level[kind.inputs].max(axis=1, initial=0) + 1
            changed |= bool((deeper != levels[number]).any())
            levels[number] = deeper
            level[kind.outputs] = deeper[:, None]
        if not changed:
            break
    else:
        raise RuntimeError("gates drive each other in a circle")
    found = []
    for depth in range(1, int(level.max(initial=0)) + 1):
        for kind, its in zip(kinds, levels, strict=True):
            here = its == depth
            if here.any():
                found.append(Kind(kind.cell, kind.inputs[here], kind.outputs[here]))
    return found


def _some(nets: Iterable[int]) -> Indices:
    """Nets, each once and no constant."""
    return np.array(sorted(set(nets) - {ZERO, ONE}), np.intp)


def _joined(parts: list[Indices]) -> Indices:
    return np.concatenate(parts) if parts else np.zeros(0, np.intp)
