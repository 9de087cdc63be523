"""A mapped module with the inputs of an RTL run, many cycles at once: columns are bits of machine words.

The RTL tells every input and every flip-flop's state in each sampled cycle. So no cycle waits for the one
before: gates are evaluated for all cycles together, and what they give must be the RTL's own values: outputs
in the same cycle, states in the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftbook.synth.power.circuit import ONE, Circuit, Indices, Kind

Packed = NDArray[np.uint64]
"""[nets, words]: 64 columns in a word, the first in the lowest bit."""

Bits = NDArray[np.uint8]
"""[nets, columns], zeros and ones."""


class Difference(RuntimeError):
    """The mapped netlist and the RTL differ where they must not."""


def pack(bits: Bits) -> Packed:
    """Columns to words; the last word is filled with zeros."""
    packed = np.packbits(bits, axis=1, bitorder="little")
    padded = np.zeros((len(bits), -(-packed.shape[1] // 8) * 8), np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.view(np.uint64)


def unpack(packed: Packed, columns: int) -> Bits:
    """Words to columns."""
    return np.unpackbits(
        np.ascontiguousarray(packed).view(np.uint8), axis=-1, count=columns, bitorder="little"
    )


def settled(circuit: Circuit, told: Mapping[int, Bits], columns: int) -> Packed:
    """Values of all nets once nothing moves.

    Parameters
    ----------
    told
        What the RTL says of nets: bits [columns], of all sources and states at least.
    columns
        Cycles.
    """
    values = np.zeros((circuit.nets, -(-columns // 64)), np.uint64)
    values[ONE] = np.iinfo(np.uint64).max
    given = np.concatenate([circuit.sources, circuit.states])
    if len(given):
        values[given] = pack(np.stack([told[net] for net in given.tolist()]))
    for kind in circuit.gates:
        for number, result in enumerate(evaluate(kind, values[kind.inputs])):
            values[kind.outputs[:, number]] = result
    return values


def evaluate(kind: Kind, inputs: NDArray[Any]) -> list[NDArray[Any]]:
    """Outputs of gates, one array for each pin, for inputs [cells, pins, ...]."""
    pins = {pin: inputs[:, number] for number, pin in enumerate(kind.cell.inputs)}
    return [kind.cell.functions[pin](pins) for pin in kind.cell.outputs]


def next_states(kind: Kind, inputs: NDArray[Any]) -> list[NDArray[Any]]:
    """What flip-flops will give after the next edge, one array for each output pin."""
    flip_flop = kind.cell.flip_flop
    assert flip_flop is not None
    pins = {pin: inputs[:, number] for number, pin in enumerate(kind.cell.inputs)}
    state = flip_flop.next_state(pins)
    return [~state if pin in flip_flop.inverted else state for pin in kind.cell.outputs]


def check(circuit: Circuit, values: Packed, told: Mapping[int, Bits], first: NDArray[np.bool_]) -> int:
    """Compare with the RTL all that the netlist computes: outputs, and states of the next cycle.

    Parameters
    ----------
    values
        From `settled`.
    told
        As there, and of all sinks.
    first
        bool [columns]: cycles whose predecessor was not sampled.

    Returns
    -------
    compared
        How many bits were compared.

    Raises
    ------
    Difference
        The first net that differs.
    """
    columns = len(first)
    compared = 0
    for nets, shift in ((circuit.sinks, 0), (circuit.states, 1)):
        if not len(nets):
            continue
        computed = unpack(values[nets] if not shift else _states(circuit, values), columns)
        wanted = np.stack([told[net] for net in nets.tolist()])
        computed = computed[:, : columns - shift]
        wrong = computed != wanted[:, shift:]
        if shift:
            wrong[:, first[1:]] = False
        if wrong.any():
            _complain(circuit, nets, wrong)
        compared += wrong.size
    return compared


def _states(circuit: Circuit, values: Packed) -> Packed:
    """Next states, in the order of `Circuit.states`."""
    found = [
        np.stack(next_states(kind, values[kind.inputs]), axis=1).reshape(-1, values.shape[1])
        for kind in circuit.flip_flops
    ]
    return np.concatenate(found)


def _complain(circuit: Circuit, nets: Indices, wrong: NDArray[np.bool_]) -> None:
    row, column = np.argwhere(wrong)[0].tolist()
    name, bit = circuit.wires[int(nets[row])]
    raise Difference(
        f"{circuit.name}: {name}[{bit}] of the mapped netlist differs from the RTL in sampled cycle {column} "
        f"({int(wrong.any(axis=1).sum())} of {len(nets)} nets differ)"
    )
