"""What changes in a mapped module take: internal energies of its cells, and the pins that its nets charge.

- **An output that changes** takes the internal energy of the input that made it: the mean of those that
  changed and whose condition holds after the change.
- **An input that changes while no output does** takes its own internal energy.
- **A pin** takes C V^2 / 2 in each change of its net.
- **The clock**: each flip-flop's clock pin rises and falls in each cycle. Data changes while it is high.

Leakage and wires have no place here: there is no layout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from shiftbook.synth.power.cells import Arc, Cell
from shiftbook.synth.power.circuit import Circuit, Kind
from shiftbook.synth.power.replay import Bits, Packed, unpack

Numbers = NDArray[np.float64]
Pins = dict[str, int]
"""Values of a cell's pins, 0 or 1."""

PART = 1 << 22
"""Changes of cells that are priced at a time: as many as fit a memory well."""


@dataclass(frozen=True, eq=False)
class Spent:
    """Picojoules by change, from one cycle to the next.

    Parameters
    ----------
    gates
        Of gates, and of the pins that nets charge.
    states
        Of flip-flops whose state or input changes.
    clock
        Of clock pins, and of what the clock takes in flip-flops that keep their state.
    """

    gates: Numbers
    states: Numbers
    clock: Numbers

    @property
    def total(self) -> Numbers:
        """All of it."""
        return self.gates + self.states + self.clock


def charge(voltage: float) -> float:
    """Picojoules that a femtofarad takes in a change: C V^2 / 2."""
    return voltage**2 / 2 * 1e-3


def price(circuit: Circuit, values: Packed, first: NDArray[np.bool_], voltage: float) -> Spent:
    """Energy of each change from a column to the next, where nets change once or not at all.

    Parameters
    ----------
    values
        From `replay.settled`.
    first
        bool [columns]: the change into these is none, and left out of what is returned.
    """
    columns = len(first)
    kept = ~first[1:]

    def around(nets: NDArray[np.intp]) -> tuple[Bits, Bits]:
        bits = unpack(values[nets], columns)
        return bits[..., :-1][..., kept], bits[..., 1:][..., kept]

    gates, states, clock = np.zeros((3, int(kept.sum())))
    for nets in _parts(np.flatnonzero(circuit.own_load), columns):
        before, after = around(nets)
        gates += charge(voltage) * (circuit.own_load[nets] @ (before ^ after))
    for kind in circuit.gates:
        for part in _parts(np.arange(len(kind.inputs)), columns):
            gates += _looked_up(kind, part, circuit.load, *around(kind.inputs[part]), _gate)[0]
    for kind in circuit.flip_flops:
        assert kind.cell.flip_flop is not None
        pin = kind.cell.capacitance[kind.cell.flip_flop.clock]
        clock += len(kind.inputs) * 2 * charge(voltage) * pin
        for part in _parts(np.arange(len(kind.inputs)), columns):
            nets = np.concatenate([kind.inputs[part], kind.outputs[part]], axis=1)
            moved, ticked = _looked_up(kind, part, circuit.load, *around(nets), _flip_flop)
            states += moved
            clock += ticked
    return Spent(gates, states, clock)


Rule = Callable[[Cell, int], Numbers]
"""From a cell and the number of a change of its pins to shares [2, 2 arcs] of its arcs, rising and then
falling, in two accounts."""


def _looked_up(
    kind: Kind, part: NDArray[np.intp], load: Numbers, before: Bits, after: Bits, rule: Rule
) -> tuple[Numbers, Numbers]:
    """Picojoules by column in two accounts, of cells of a kind whose pins change [cells, pins, columns]."""
    pins = before.shape[1]
    codes = np.zeros((len(before), before.shape[2]), np.uint32)
    for pin in range(pins):
        codes += before[:, pin].astype(np.uint32) << np.uint32(pin)
        codes += after[:, pin].astype(np.uint32) << np.uint32(pins + pin)
    there = np.bincount(codes.ravel(), minlength=1 << 2 * pins) > 0
    place = np.cumsum(there) - 1
    shares = np.stack([rule(kind.cell, code) for code in np.flatnonzero(there).tolist()])
    tables = arc_energies(kind, load)[part]
    first, second = (
        np.take_along_axis(tables @ shares[:, account].T, place[codes], axis=1).sum(axis=0)
        if shares[:, account].any()
        else np.zeros(codes.shape[1])
        for account in (0, 1)
    )
    return first, second


def arc_energies(kind: Kind, load: Numbers) -> Numbers:
    """Picojoules [cells, 2 arcs]: of each arc rising, then of each falling, at the cells' own loads."""
    loads = {pin: load[kind.outputs[:, number]] for number, pin in enumerate(kind.cell.outputs)}
    none = np.zeros(len(kind.inputs))
    arcs = kind.cell.arcs
    found = [arc.rise.at(loads.get(arc.pin, none)) for arc in arcs]
    found += [arc.fall.at(loads.get(arc.pin, none)) for arc in arcs]
    return np.stack(found, axis=1) if found else np.zeros((len(none), 0))


@cache
def _gate(cell: Cell, code: int) -> Numbers:
    """A gate whose inputs change all at once: its outputs follow at once, too."""
    outputs, inputs = output_shares(cell, code), input_shares(cell, code)
    return np.stack([outputs if outputs.any() else inputs, np.zeros_like(inputs)])


@cache
def output_shares(cell: Cell, code: int) -> Numbers:
    """Shares [2 arcs] of a gate whose outputs change because of its inputs; none where they do not."""
    shares = np.zeros(2 * len(cell.arcs))
    before, after = _settled(cell, code)
    moved = {pin for pin in cell.inputs if before[pin] != after[pin]}
    for pin in cell.outputs:
        if before[pin] != after[pin]:
            _add(shares, cell, _output_arcs(cell, pin, moved, after), after[pin])
    return shares


@cache
def input_shares(cell: Cell, code: int) -> Numbers:
    """Shares [2 arcs] of a gate whose inputs change while no output does; none where one does."""
    shares = np.zeros(2 * len(cell.arcs))
    before, after = _settled(cell, code)
    if all(before[pin] == after[pin] for pin in cell.outputs):
        for pin in cell.inputs:
            if before[pin] != after[pin]:
                _add(shares, cell, _input_arcs(cell, pin, after), after[pin])
    return shares


@cache
def _flip_flop(cell: Cell, code: int) -> Numbers:
    """A cycle of a flip-flop: what moves, and its clock. Pins are the inputs, then the outputs."""
    assert cell.flip_flop is not None
    moved, ticked = shares = np.zeros((2, 2 * len(cell.arcs)))
    clock = cell.flip_flop.clock
    before, after = _pins((*cell.inputs, *cell.outputs), code)
    changed = [pin for pin in cell.outputs if before[pin] != after[pin]]
    at_edge = {**before, clock: 1}  # inputs still have the values that it takes
    for pin in changed:
        _add(moved, cell, _output_arcs(cell, pin, {clock}, at_edge), after[pin])
    if not changed:
        _add(ticked, cell, _input_arcs(cell, clock, at_edge), 1)
    for pin in cell.inputs:
        if before[pin] != after[pin]:
            _add(moved, cell, _input_arcs(cell, pin, {**after, clock: 1}), after[pin])
    _add(ticked, cell, _input_arcs(cell, clock, {**after, clock: 0}), 0)
    return shares


def _add(shares: Numbers, cell: Cell, arcs: Sequence[int], rises: int) -> None:
    """The mean of arcs, in one direction."""
    for number in arcs:
        shares[number + (0 if rises else len(cell.arcs))] += 1 / len(arcs)


def _settled(cell: Cell, code: int) -> tuple[Pins, Pins]:
    """Values of a gate's pins before and after a change of its inputs."""
    before, after = _pins(cell.inputs, code)
    for values in (before, after):
        values |= {pin: function(values) & 1 for pin, function in cell.functions.items()}
    return before, after


def _pins(pins: Sequence[str], code: int) -> tuple[Pins, Pins]:
    """Values before and after, of the number of a change."""
    count = len(pins)
    before = {pin: code >> place & 1 for place, pin in enumerate(pins)}
    return before, {pin: code >> count + place & 1 for place, pin in enumerate(pins)}


def _output_arcs(cell: Cell, pin: str, moved: set[str], values: Pins) -> list[int]:
    """Arcs of an output that inputs made change; all of these inputs where no condition holds."""
    related = [n for n, arc in enumerate(cell.arcs) if arc.pin == pin and arc.related in moved]
    return [n for n in related if _holds(cell.arcs[n], values)] or related


def _input_arcs(cell: Cell, pin: str, values: Pins) -> list[int]:
    """Arcs of an input that changes nothing; that without a condition where no condition holds."""
    own = [n for n, arc in enumerate(cell.arcs) if arc.pin == pin and arc.related is None]
    conditional = [n for n in own if cell.arcs[n].when is not None and _holds(cell.arcs[n], values)]
    return conditional or [n for n in own if cell.arcs[n].when is None]


def _holds(arc: Arc, values: Pins) -> bool:
    return arc.when is None or bool(arc.when(values) & 1)


def _parts(items: NDArray[np.intp], columns: int) -> Iterator[NDArray[np.intp]]:
    """So many items at a time that their columns fit a memory."""
    step = max(1, PART // max(1, columns))
    return (items[start : start + step] for start in range(0, len(items), step))
