"""The same changes with the delays of cells: nets may change several times before they settle.

Time goes in steps of `STEP` picoseconds. Flip-flops change when the library says, and inputs of a module all
together: glitches that come in from other modules are not seen. A gate's output follows its function after
the gate's delay, but only where the function still has that value then: pulses shorter than the delay vanish
(inertial delay).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.errors import ShiftbookError
from shiftbook.synth.power.cells import Cell
from shiftbook.synth.power.circuit import Circuit, Indices, Kind
from shiftbook.synth.power.price import Numbers, arc_energies, charge, input_shares, output_shares
from shiftbook.synth.power.replay import Packed, evaluate, pack, unpack

STEP = 2.0
"""Picoseconds."""

COLUMNS = 4096
"""Changes at a time."""

Flags = NDArray[np.bool_]


def timed(circuit: Circuit, values: Packed, first: Flags, voltage: float) -> Numbers:
    """Picojoules of gates and of the pins that nets charge, by change; parameters as of `price.price`."""
    columns = len(first)
    kept = np.flatnonzero(~first[1:])
    filled = np.pad(kept, (0, -len(kept) % 64), mode="edge")  # words are full, of what can be
    bits = unpack(values, columns)
    found = []
    for start in range(0, len(filled), COLUMNS):
        part = filled[start : start + COLUMNS]
        run = _Run(circuit, pack(bits[:, part]), pack(bits[:, part + 1]), len(part), voltage)
        found.append(run.energy())
    return np.concatenate(found)[: len(kept)]


class _Gates:
    """All gates of a cell, and what they see and want.

    Parameters
    ----------
    kind
        The gates.
    circuit
        Theirs.
    values
        Of nets before the change.
    """

    def __init__(self, kind: Kind, circuit: Circuit, values: Packed) -> None:
        if len(kind.cell.outputs) != 1:
            raise ShiftbookError(f"cell {kind.cell.name} has several outputs: glitches cannot be simulated")
        self.kind = kind
        self.output = kind.outputs[:, 0]
        delays = kind.cell.delays[kind.cell.outputs[0]].at(circuit.load[self.output])
        self.delays = np.maximum(1, np.round(delays / STEP)).astype(np.intp)
        self.inputs = values[kind.inputs]
        self.before = self.inputs.copy()  # when it last wanted the other value
        self.wanted = values[self.output]
        energies = arc_energies(kind, circuit.load)
        of_outputs, of_inputs = _shares(kind.cell)
        self.output_energy = energies @ of_outputs.T
        self.input_energy = energies @ of_inputs.T

    def codes(self, rows: Indices, columns: Indices, before: Packed, after: Packed) -> Indices:
        """Numbers of changes of inputs [rows, pins, words] at places in them."""
        word, bit = columns >> 6, (columns & 63).astype(np.uint64)
        found = np.zeros(len(rows), np.intp)
        pins = before.shape[1]
        for pin in range(pins):
            found |= (before[rows, pin, word] >> bit & 1).astype(np.intp) << pin
            found |= (after[rows, pin, word] >> bit & 1).astype(np.intp) << pins + pin
        return found


@cache
def _shares(cell: Cell) -> tuple[Numbers, Numbers]:
    """Shares [changes, 2 arcs] by change of a gate's inputs: of outputs that follow, and of inputs alone."""
    codes = range(1 << 2 * len(cell.inputs))
    return (
        np.stack([output_shares(cell, code) for code in codes]),
        np.stack([input_shares(cell, code) for code in codes]),
    )


class _Run:
    """The time between the settled values of two cycles, for many pairs of cycles.

    Parameters
    ----------
    circuit
        The module.
    before, after
        Settled values of its nets [nets, words].
    columns
        Changes.
    voltage
        Of the supply.
    """

    def __init__(self, circuit: Circuit, before: Packed, after: Packed, columns: int, voltage: float) -> None:
        self.values = before.copy()
        self.after = after
        self.circuit = circuit
        self.columns = columns
        self.spent = np.zeros(columns)
        self.charge = charge(voltage) * circuit.own_load
        self.gates = [_Gates(kind, circuit, before) for kind in _by_cell(circuit.gates)]
        self.fan_out = _fan_out(self.gates, circuit.nets)
        self.queue: dict[int, list[tuple[int, Indices, Packed]]] = {}
        self.times: list[int] = []
        self.starts = _starts(circuit)
        for time in self.starts:
            self._at(time)

    def energy(self) -> Numbers:
        """Let it settle; what gates and nets took, by column."""
        while self.times:
            time = heapq.heappop(self.times)
            moved = self._move(time)
            if len(moved):
                self._react(moved, time)
        if not np.array_equal(self.values, self.after):
            raise RuntimeError(f"{self.circuit.name} does not settle where it must")
        return self.spent

    def _at(self, time: int) -> list[tuple[int, Indices, Packed]]:
        """What will happen at a time."""
        if time not in self.queue:
            self.queue[time] = []
            heapq.heappush(self.times, time)
        return self.queue[time]

    def _move(self, time: int) -> Indices:
        """Change the nets that change at a time; which they are."""
        nets, news = [], []
        if time in self.starts:
            nets.append(self.starts[time])
            news.append(self.after[self.starts[time]])
        for number, rows, wanted in self.queue.pop(time):
            gates = self.gates[number]
            now = self.values[gates.output[rows]]
            toggled = (wanted ^ now) & ~(wanted ^ gates.wanted[rows])
            nets.append(gates.output[rows])
            news.append(now ^ toggled)
            row, column = _ones(toggled)
            codes = gates.codes(rows[row], column, gates.before, gates.inputs)
            self._add(column, gates.output_energy[rows[row], codes])
        net, new = np.concatenate(nets), np.concatenate(news)
        changed = new ^ self.values[net]
        some = changed.any(axis=1)
        net, changed = net[some], changed[some]
        self.spent += self.charge[net] @ unpack(changed, self.columns)
        self.values[net] ^= changed
        return net

    def _react(self, moved: Indices, time: int) -> None:
        """Gates see that nets moved, and will follow."""
        for number, rows in self._driven(moved):
            gates = self.gates[number]
            old, new = gates.inputs[rows], self.values[gates.kind.inputs[rows]]
            change = np.bitwise_or.reduce(old ^ new, axis=1)
            wanted = evaluate(gates.kind, new)[0]
            flipped = wanted ^ gates.wanted[rows]
            row, column = _ones(change & ~flipped)
            self._add(column, gates.input_energy[rows[row], gates.codes(row, column, old, new)])
            gates.before[rows] ^= (gates.before[rows] ^ old) & flipped[:, None]
            gates.inputs[rows] = new
            gates.wanted[rows] = wanted
            delays = gates.delays[rows]
            for delay in np.unique(delays).tolist():
                here = delays == delay
                self._at(time + delay).append((number, rows[here], wanted[here]))

    def _driven(self, moved: Indices) -> Iterator[tuple[int, Indices]]:
        """Gates with an input among nets, by kind."""
        starts, kinds, rows = self.fan_out
        places = np.concatenate([np.arange(starts[net], starts[net + 1]) for net in moved.tolist()])
        for number in np.unique(kinds[places]).tolist():
            yield number, np.unique(rows[places[kinds[places] == number]])

    def _add(self, columns: Indices, energies: Numbers) -> None:
        self.spent += np.bincount(columns, weights=energies, minlength=self.columns)


def _ones(packed: Packed) -> tuple[Indices, Indices]:
    """Rows and columns of the bits that are set."""
    columns = 64 * packed.shape[1]
    # Far faster than NumPy's search in two dimensions, of numbers.
    places = np.flatnonzero(unpack(packed, columns).view(np.bool_))
    return places // columns, places % columns


def _by_cell(kinds: tuple[Kind, ...]) -> list[Kind]:
    """The same gates without levels: all of a cell together."""
    cells = {kind.cell.name: kind.cell for kind in kinds}
    return [
        Kind(
            cell,
            np.concatenate([kind.inputs for kind in kinds if kind.cell is cell]),
            np.concatenate([kind.outputs for kind in kinds if kind.cell is cell]),
        )
        for cell in cells.values()
    ]


def _fan_out(gates: list[_Gates], nets: int) -> tuple[Indices, Indices, Indices]:
    """Where each net's part of the others begins; and kinds, and rows in them, of gates that it drives."""
    none = np.zeros(0, np.intp)
    driven = [each.kind.inputs.ravel() for each in gates]
    kinds = [np.full(each.kind.inputs.size, number) for number, each in enumerate(gates)]
    rows = [np.repeat(np.arange(len(each.kind.inputs)), each.kind.inputs.shape[1]) for each in gates]
    net, kind, row = (np.concatenate([none, *parts]) for parts in (driven, kinds, rows))
    order = np.argsort(net, kind="stable")
    starts = np.searchsorted(net[order], np.arange(nets + 1))
    return starts, kind[order], row[order]


def _starts(circuit: Circuit) -> dict[int, Indices]:
    """What changes by itself: nets by the step in which they do."""
    found: dict[int, list[Indices]] = {}
    steps = []
    for kind in circuit.flip_flops:
        for number, pin in enumerate(kind.cell.outputs):
            nets = kind.outputs[:, number]
            delays = np.round(kind.cell.delays[pin].at(circuit.load[nets]) / STEP).astype(np.intp)
            steps.append(delays)
            for step in np.unique(delays).tolist():
                found.setdefault(step, []).append(nets[delays == step])
    inputs = int(np.median(np.concatenate(steps))) if steps else 0
    found.setdefault(inputs, []).append(circuit.sources)
    return {step: np.concatenate(nets) for step, nets in found.items()}
