"""The energy of a mapped module once more: one cell after another, one cycle after another, in plain Python.

Nothing here is from synth.power. Cells are `tests.synth.power.library.CELLS`; netlists are Yosys' JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from tests.synth.power.library import CELLS, VOLTAGE, Line, Plain, Power

Values = dict[int | str, int]


class ByHand:
    """A module.

    Parameters
    ----------
    raw
        Yosys' JSON of it, which has no instances of other modules.
    port_load
        Femtofarads on each output port.
    """

    def __init__(self, raw: Mapping[str, Any], port_load: float) -> None:
        self.raw = raw
        cells = [(CELLS[cell["type"]], cell["connections"]) for cell in raw["cells"].values()]
        self.cells = [(cell, {pin: bits[0] for pin, bits in pins.items()}) for cell, pins in cells]
        self.pins: dict[int | str, float] = {}
        for cell, nets in self.cells:
            for pin, load in cell.pins.items():
                if pin != cell.clock:
                    self.pins[nets[pin]] = self.pins.get(nets[pin], 0.0) + load
        self.loads = dict(self.pins)
        for port in raw["ports"].values():
            if port["direction"] == "output":
                for bit in port["bits"]:
                    self.loads[bit] = self.loads.get(bit, 0.0) + port_load

    def settle(self, given: Values) -> Values:
        """All nets, from ports and states."""
        values: Values = {"0": 0, "1": 1, "x": 0, **given}
        waiting = [(cell, nets) for cell, nets in self.cells if not cell.clock]
        while waiting:
            later = []
            for cell, nets in waiting:
                if all(nets[pin] in values for pin in cell.pins):
                    seen = {pin: values[nets[pin]] for pin in cell.pins}
                    values[nets[cell.output]] = eval(cell.function, {}, seen)
                else:
                    later.append((cell, nets))
            assert len(later) < len(waiting)
            waiting = later
        return values

    def picojoules(self, cycles: Sequence[Values]) -> float:
        """From the first of some cycles to the last."""
        return sum(map(self._change, cycles[:-1], cycles[1:])) / 1e3

    def wires(self, told: Mapping[tuple[str, int], Sequence[int]]) -> list[Values]:
        """All nets, cycle by cycle, from what the RTL says of wires."""
        given: dict[int | str, Sequence[int]] = {}
        for name, each in self.raw["netnames"].items():
            for place, bit in enumerate(each["bits"]):
                if (name.removeprefix("\\"), place) in told:
                    given[bit] = told[name.removeprefix("\\"), place]
        count = len(next(iter(told.values())))
        return [self.settle({bit: int(values[at]) for bit, values in given.items()}) for at in range(count)]

    def glitching(self, before: Values, after: Values) -> float:
        """Picojoules of gates and nets from one cycle to the next, event by event."""
        values, spent, queue = dict(before), 0.0, self._starts(after)
        gates = [(cell, nets) for cell, nets in self.cells if not cell.clock]
        seen = [{pin: before[nets[pin]] for pin in cell.pins} for cell, nets in gates]
        last = [dict(each) for each in seen]
        wanted = [before[nets[cell.output]] for cell, nets in gates]
        while queue:
            time = min(queue)
            changed = {}
            for number, net, value in queue.pop(time):
                if values[net] == value or (number is not None and wanted[number] != value):
                    continue
                changed[net] = value
                if number is not None:
                    cell, nets = gates[number]
                    new = {**seen[number], cell.output: value}
                    old = {**last[number], cell.output: 1 - value}
                    spent += _gate(cell, old, new, self.loads.get(net, 0.0))
            values |= changed
            spent += sum(self.pins.get(net, 0.0) * VOLTAGE**2 / 2 for net in changed)
            for number, (cell, nets) in enumerate(gates):
                if not changed.keys() & {nets[pin] for pin in cell.pins}:
                    continue
                new = {pin: values[nets[pin]] for pin in cell.pins}
                value = eval(cell.function, {}, new)
                if value == wanted[number]:
                    old = {**seen[number], cell.output: value}
                    spent += _gate(cell, old, {**new, cell.output: value}, 0.0)
                else:
                    last[number] = seen[number]
                seen[number], wanted[number] = new, value
                net = nets[cell.output]
                queue.setdefault(time + self._delay(cell, net, 1), []).append((number, net, value))
        assert all(values[net] == after[net] for net in values)
        return spent / 1e3

    def _starts(self, after: Values) -> dict[int, list[tuple[int | None, int | str, int]]]:
        """What changes by itself: flip-flops after their delay, ports after the middle one of these."""
        found: dict[int, list[tuple[int | None, int | str, int]]] = {}
        delays = []
        for cell, nets in self.cells:
            if cell.clock:
                delays.append(self._delay(cell, nets[cell.output], 0))
                found.setdefault(delays[-1], []).append((None, nets[cell.output], after[nets[cell.output]]))
        for port, each in self.raw["ports"].items():
            if each["direction"] == "input" and port != "clk":
                for bit in each["bits"]:
                    found.setdefault(int(median(delays)), []).append((None, bit, after[bit]))
        return found

    def _delay(self, cell: Plain, net: int | str, least: int) -> int:
        """In steps of two picoseconds."""
        return max(least, round((cell.delay[0] + cell.delay[1] * self.loads.get(net, 0.0)) / 2))

    def quiet(self, before: Values, after: Values) -> float:
        """Picojoules of gates and nets from one cycle to the next, each of which changes once at most."""
        return self._change(before, after, clocked=False) / 1e3

    def _change(self, before: Values, after: Values, clocked: bool = True) -> float:
        spent = 0.0
        for net, load in self.pins.items():
            if net in before and before[net] != after[net]:
                spent += load * VOLTAGE**2 / 2
        for cell, nets in self.cells:
            load = self.loads.get(nets[cell.output], 0.0)
            old = {pin: before[nets[pin]] for pin in [*cell.pins, cell.output] if pin != cell.clock}
            new = {pin: after[nets[pin]] for pin in [*cell.pins, cell.output] if pin != cell.clock}
            if not cell.clock:
                spent += _gate(cell, old, new, load)
            elif clocked:
                spent += _flip_flop(cell, old, new, load)
        return spent


def _gate(cell: Plain, old: dict[str, int], new: dict[str, int], load: float) -> float:
    moved = [pin for pin in cell.pins if old[pin] != new[pin]]
    if old[cell.output] != new[cell.output]:
        fitting = [power for power in cell.powers if power.related in moved and power.related]
        held = [power for power in fitting if _holds(power, new)] or fitting
        return sum(_energy(power, new[cell.output], load) for power in held) / len(held)
    return sum(
        _energy(power, new[pin], 0.0)
        for pin in moved
        for power in cell.powers
        if power.pin == pin and _holds(power, new)
    )


def _flip_flop(cell: Plain, old: dict[str, int], new: dict[str, int], load: float) -> float:
    spent = 2 * cell.pins[cell.clock] * VOLTAGE**2 / 2
    for power in cell.powers:
        if power.pin == cell.output and old[cell.output] != new[cell.output]:
            spent += _energy(power, new[cell.output], load)
        if power.pin == cell.clock and old[cell.output] == new[cell.output] and _holds(power, old):
            spent += _energy(power, 1, 0.0)
        if power.pin == cell.clock and _holds(power, new):
            spent += _energy(power, 0, 0.0)
        if power.pin == "D" and old["D"] != new["D"] and _holds(power, {**new, cell.clock: 1}):
            spent += _energy(power, new["D"], 0.0)
    return spent


def _holds(power: Power, values: dict[str, int]) -> bool:
    return not power.when or bool(eval(power.when, {}, values))


def _energy(power: Power, rises: int, load: float) -> float:
    line: Line = power.rise if rises else power.fall
    return line[0] + line[1] * load
