"""What changes in a mapped module take: internal energies of its cells, and the pins that its nets charge.

- **An output that changes** takes the internal energy of the input that made it: the mean of those that changed
  and whose condition holds after the change.
- **An input that changes while no output does** takes its own internal energy.
- **A pin** takes C V^2 / 2 in each change of its net.
- **The clock**: each flip-flop's clock pin rises and falls in each cycle. Data changes while the clock is high.

Leakage and wires have no place here: there is no layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from shiftbook.synth.power.cells import Arc, Cell
from shiftbook.synth.power.circuit import Circuit, Kind
from shiftbook.synth.power.replay import Bits, Packed, unpack

Numbers = NDArray[np.float64]

PART = 1 << 22
"""Changes of cells that are priced at a time: as many as fit a memory well."""


@dataclass(frozen=True, eq=False)
class Spent:
    """Picojoules by change, from one cycle to the next.

    Parameters
    ----------
    data
        Of all that moves.
    clock
        Of clock pins, and of flip-flops that keep their state.
    """

    data: Numbers
    clock: Numbers


def price(circuit: Circuit, values: Packed, first: NDArray[np.bool_], voltage: float) -> Spent:
    """Energy of each change from a column to the next, where nets change once or not at all.

    Parameters
    ----------
    values
        From `replay.settled`.
    first
        bool [columns]: the change into these is none.

    Returns
    -------
    spent
        By change; changes into columns of ``first`` are left out.
    """
    columns = len(first)
    kept = ~first[1:]
    half = voltage**2 / 2 * 1e-3  # picojoules of a femtofarad
    data = np.zeros(int(kept.sum()))
    clock = np.zeros_like(data)
    loaded = np.flatnonzero(circuit.own_load)
    for nets in _parts(loaded, columns):
        bits = unpack(values[nets], columns)
        data += half * (circuit.own_load[nets] @ (bits[:, 1:] ^ bits[:, :-1])[:, kept])
    for kind in circuit.gates:
        for part in _parts(np.arange(len(kind.inputs)), columns):
            bits = unpack(values[kind.inputs[part]], columns)
            data += gate_energy(kind, part, circuit.load, bits[..., :-1][..., kept], bits[..., 1:][..., kept])
    for kind in circuit.flip_flops:
        for part in _parts(np.arange(len(kind.inputs)), columns):
            nets = np.concatenate([kind.inputs[part], kind.outputs[part]], axis=1)
            bits = unpack(values[nets], columns)
            moved, ticked = _flip_flop_energy(
                kind, part, circuit.load, bits[..., :-1][..., kept], bits[..., 1:][..., kept]
            )
            pin = kind.cell.capacitance[kind.cell.flip_flop.clock] if kind.cell.flip_flop else 0.0
            data += moved
            clock += ticked + len(part) * 2 * half * pin
    return Spent(data, clock)


def gate_energy(kind: Kind, part: NDArray[np.intp], load: Numbers, before: Bits, after: Bits) -> Numbers:
    """Internal energy of some gates of a kind, by column, from inputs [cells, pins, columns] to others."""
    return _looked_up(kind, part, load, before, after, _gate_arcs)[0]


def _flip_flop_energy(
    kind: Kind, part: NDArray[np.intp], load: Numbers, before: Bits, after: Bits
) -> tuple[Numbers, Numbers]:
    """Internal energy of flip-flops, of data and of the clock; pins are the inputs, then the outputs."""
    moved, ticked = _looked_up(kind, part, load, before, after, _flip_flop_arcs)
    return moved, ticked


def _looked_up(
    kind: Kind, part: NDArray[np.intp], load: Numbers, before: Bits, after: Bits, arcs_of: object
) -> tuple[Numbers, Numbers]:
    """Energies by column: each change of a cell's pins is a number, and each number has its energies."""
    pins = before.shape[1]
    weight = (1 << np.arange(2 * pins, dtype=np.uint32)).astype(np.uint32)
    codes = np.zeros((len(before), before.shape[2]), np.uint32)
    for pin in range(pins):
        codes += before[:, pin] * weight[pin]
        codes += after[:, pin] * weight[pins + pin]
    there = np.bincount(codes.ravel(), minlength=1 << 2 * pins) > 0
    seen = np.flatnonzero(there)
    place = np.cumsum(there) - 1
    tables = _energies(kind, part, load)  # [cells, arcs]
    shares = np.stack([arcs_of(kind.cell, int(code)) for code in seen])  # type: ignore[operator]
    found = []
    for share in (shares[:, 0], shares[:, 1]):
        by_code = tables @ share.T
        found.append(
            np.take_along_axis(by_code, place[codes], axis=1).sum(axis=0)
            if share.any()
            else np.zeros(codes.shape[1])
        )
    return found[0], found[1]


def _energies(kind: Kind, part: NDArray[np.intp], load: Numbers) -> Numbers:
    """Picojoules [cells, 2 arcs]: of each arc rising, then of each falling, at the cells' own loads."""
    cell = kind.cell
    loads = {pin: load[kind.outputs[part, number]] for number, pin in enumerate(cell.outputs)}
    some = np.zeros(len(part))
    return np.stack(
        [arc.rise.at(loads.get(arc.pin, some)) for arc in cell.arcs]
        + [arc.fall.at(loads.get(arc.pin, some)) for arc in cell.arcs],
        axis=1,
    ) if cell.arcs else np.zeros((len(part), 0))


@cache
def _gate_arcs(cell: Cell, code: int) -> Numbers:
    """Shares [2, 2 arcs] of the arcs in a change of a gate's inputs; nothing is of the clock."""
    shares = np.zeros((2, 2 * len(cell.arcs)))
    before, after = _pins(cell.inputs, code)
    for values in (before, after):
        values |= {pin: function(values) & 1 for pin, function in cell.functions.items()}
    moved = {pin for pin in cell.inputs if before[pin] != after[pin]}
    outputs = [pin for pin in cell.outputs if before[pin] != after[pin]]
    for pin in outputs:
        chosen = _output_arcs(cell, pin, moved, after)
        for number in chosen:
            shares[0, _place(cell, number, after[pin])] += 1 / len(chosen)
    if not outputs:
        for pin in moved:
            for number in _input_arcs(cell, pin, after):
                shares[0, _place(cell, number, after[pin])] += 1
    return shares


@cache
def _flip_flop_arcs(cell: Cell, code: int) -> Numbers:
    """Shares [2, 2 arcs] of the arcs in a cycle of a flip-flop: of what moves, and of its clock."""
    assert cell.flip_flop is not None
    shares = np.zeros((2, 2 * len(cell.arcs)))
    clock = cell.flip_flop.clock
    before, after = _pins((*cell.inputs, *cell.outputs), code)
    outputs = [pin for pin in cell.outputs if before[pin] != after[pin]]
    # The edge comes while inputs still have the values that it takes.
    at_edge = {**before, clock: 1}
    for pin in outputs:
        chosen = _output_arcs(cell, pin, {clock}, at_edge)
        for number in chosen:
            shares[0, _place(cell, number, after[pin])] += 1 / len(chosen)
    if not outputs:
        for number in _input_arcs(cell, clock, at_edge):
            shares[1, _place(cell, number, 1)] += 1
    for pin in cell.inputs:
        if before[pin] != after[pin]:
            for number in _input_arcs(cell, pin, {**after, clock: 1}):
                shares[0, _place(cell, number, after[pin])] += 1
    for number in _input_arcs(cell, clock, {**after, clock: 0}):
        shares[1, _place(cell, number, 0)] += 1
    return shares


def _pins(pins: Sequence[str], code: int) -> tuple[dict[str, int], dict[str, int]]:
    """Values before and after, of the number of a change."""
    count = len(pins)
    before = {pin: code >> place & 1 for place, pin in enumerate(pins)}
    return before, {pin: code >> count + place & 1 for place, pin in enumerate(pins)}


def _output_arcs(cell: Cell, pin: str, moved: set[str], values: dict[str, int]) -> list[int]:
    """Arcs of an output that inputs made change; all of these inputs where no condition holds."""
    related = [n for n, arc in enumerate(cell.arcs) if arc.pin == pin and arc.related in moved]
    return [n for n in related if _holds(cell.arcs[n], values)] or related


def _input_arcs(cell: Cell, pin: str, values: dict[str, int]) -> list[int]:
    """Arcs of an input that changes nothing; that without a condition where no condition holds."""
    own = [n for n, arc in enumerate(cell.arcs) if arc.pin == pin and arc.related is None]
    conditional = [n for n in own if cell.arcs[n].when is not None and _holds(cell.arcs[n], values)]
    return conditional or [n for n in own if cell.arcs[n].when is None]


def _holds(arc: Arc, values: dict[str, int]) -> bool:
    return arc.when is None or bool(arc.when(values) & 1)


def _place(cell: Cell, number: int, rises: int) -> int:
    return number if rises else len(cell.arcs) + number


def _parts(items: NDArray[np.intp], columns: int) -> Iterator[NDArray[np.intp]]:
    """So many items at a time that their columns fit a memory."""
    step = max(1, PART // max(1, columns))
    return (items[start : start + step] for start in range(0, len(items), step))
