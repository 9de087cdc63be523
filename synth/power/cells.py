"""What Liberty files say of cells: functions, capacitances, internal energies and delays.

Energies are those drawn from the supply. Files with tables for both rails (``related_pg_pin``) tell the same
charge twice, where it enters the cell and where it leaves it: only tables of the primary power pin count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.errors import ShiftbookError
from shiftbook.synth.flow.liberty import CELL, liberty_text
from shiftbook.synth.power.expression import Expression, parse

SLEW = 20.0
"""Picoseconds that every edge takes at every pin: the one assumption with which tables are read."""

STATEMENT = re.compile(
    r'\s*(?:(\w+)\s*\(([^)]*)\)\s*(?:(\{)|;)?|(\w+)\s*:\s*("[^"]*"|[^;\n]*?)\s*(?:;|\n)|(\}))'
)
NUMBER = re.compile(r"[-+0-9.eE]+")
QUANTITY = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0}

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Units:
    """Of a library, in picoseconds, femtofarads and volts.

    Parameters
    ----------
    time, capacitance
        What its numbers are multiplied with.
    voltage
        Of the supply.
    """

    time: float
    capacitance: float
    voltage: float

    @property
    def slew(self) -> float:
        """`SLEW` in the library's unit."""
        return SLEW / self.time

    @property
    def energy(self) -> float:
        """Picojoules of the unit of internal energy, which is that of capacitance times a square volt."""
        return self.capacitance * 1e-3


@dataclass(frozen=True)
class Table:
    """A figure by load, at `SLEW`.

    Parameters
    ----------
    loads
        Femtofarads, rising; one for a table that does not depend on the load.
    values
        Picojoules or picoseconds.
    """

    loads: Numbers
    values: Numbers

    def at(self, loads: Numbers) -> Numbers:
        """Values at loads, in femtofarads; linear between those of the table and beyond them."""
        if len(self.loads) == 1:
            return np.broadcast_to(self.values[0], loads.shape)
        place = np.clip(np.searchsorted(self.loads, loads) - 1, 0, len(self.loads) - 2)
        left, right = self.loads[place], self.loads[place + 1]
        share = (loads - left) / (right - left)
        return self.values[place] * (1 - share) + self.values[place + 1] * share


NOTHING = Table(np.zeros(1), np.zeros(1))


@dataclass(frozen=True)
class Arc:
    """Internal energy of one change.

    Parameters
    ----------
    pin
        Which changes: an output, or an input that changes no output.
    related
        The input that makes an output change; None for inputs.
    when
        Of which values of the other pins this holds; None for all.
    rise, fall
        Picojoules by load of the pin.
    """

    pin: str
    related: str | None
    when: Expression | None
    rise: Table
    fall: Table


@dataclass(frozen=True)
class FlipFlop:
    """How a flip-flop works.

    Parameters
    ----------
    clock
        The pin whose rising edge it takes.
    next_state
        Of its inputs.
    inverted
        Outputs that are the inverse of its state.
    """

    clock: str
    next_state: Expression
    inverted: frozenset[str]


@dataclass(frozen=True, eq=False)
class Cell:
    """A cell.

    Parameters
    ----------
    name
        In the library.
    inputs
        Pins, without the clock of a flip-flop.
    outputs
        Pins.
    functions
        Of each output of a cell that is no flip-flop.
    capacitance
        Femtofarads of each input, the clock included.
    arcs
        Internal energies.
    delays
        Picoseconds from any input to each output, the mean of rising and falling and of all inputs.
    flip_flop
        None for gates.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    functions: Mapping[str, Expression]
    capacitance: Mapping[str, float]
    arcs: tuple[Arc, ...]
    delays: Mapping[str, Table]
    flip_flop: FlipFlop | None = None


@dataclass(frozen=True)
class Cells:
    """Cells of a library.

    Parameters
    ----------
    voltage
        Of its supply.
    cells
        By name.
    """

    voltage: float
    cells: Mapping[str, Cell]


def load_cells(paths: Sequence[Path], names: Iterable[str]) -> Cells:
    """Read cells from Liberty files.

    Raises
    ------
    ShiftbookError
        A file cannot be read; no file has a cell of a name, or it is neither a gate nor a flip-flop of one
        rising clock edge; or the files tell no energies.
    """
    wanted = set(names)
    found: dict[str, Cell] = {}
    voltages = set()
    for path in paths:
        text = liberty_text(path)
        heads = list(CELL.finditer(text))
        units = _units(text[: heads[0].start()] if heads else text, path)
        voltages.add(units.voltage)
        ends = [*(head.start() for head in heads[1:]), len(text)]
        for head, end in zip(heads, ends, strict=False):  # a file may have no cell
            if head[1] in wanted:
                found[head[1]] = _cell(head[1], _group(text, head.end(), end), units)
    if wanted - found.keys():
        raise ShiftbookError(f"no Liberty file has the cell {min(wanted - found.keys())}")
    if len(voltages) != 1:
        raise ShiftbookError(f"Liberty files must have one supply voltage, not {sorted(voltages)}")
    if not any(cell.arcs for cell in found.values()):
        raise ShiftbookError("the cell library tells no internal energy: logic cannot be priced")
    return Cells(voltages.pop(), found)


def unpriced(name: str, wanted: str) -> ShiftbookError:
    """Says that a cell's energy cannot be told, and what to do."""
    return ShiftbookError(f"cell {name} must be {wanted} to be priced; else leave the logic out")


@dataclass
class Group:
    """A group of statements of a Liberty file.

    Parameters
    ----------
    kind, argument
        What stands before its braces.
    attributes
        Simple ones by name, and what stands in the parentheses of complex ones.
    groups
        In it.
    """

    kind: str
    argument: str
    attributes: dict[str, str] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)

    def all(self, kind: str) -> Iterator[Group]:
        """The groups of a kind in it."""
        return (group for group in self.groups if group.kind == kind)


def _group(text: str, start: int, end: int) -> Group:
    """What stands between the brace before ``start`` and the one that closes it."""
    open_groups = [Group("", "")]
    for match in STATEMENT.finditer(text, start, end):
        complex_name, argument, brace, name, value, closed = match.groups()
        if closed:
            done = open_groups.pop()
            if not open_groups:
                return done
            open_groups[-1].groups.append(done)
        elif brace:
            open_groups.append(Group(complex_name, argument.strip().strip('"')))
        elif name:
            open_groups[-1].attributes[name] = value.strip('"')
        else:
            open_groups[-1].attributes[complex_name] = argument
    return open_groups[0]


def _units(head: str, path: Path) -> Units:
    """From what stands before the cells."""
    time = re.search(r'time_unit\s*:\s*"?\s*([0-9.]+)\s*([fpnum]?)s', head)
    load = re.search(r"capacitive_load_unit\s*\(\s*([0-9.]+)\s*,\s*\"?([fpnum]?)f", head, re.IGNORECASE)
    voltage = re.search(r"nom_voltage\s*:\s*\"?([0-9.]+)", head)
    if time is None or load is None or voltage is None:
        raise ShiftbookError(f"{path} must tell time_unit, capacitive_load_unit and nom_voltage")
    return Units(
        time=float(time[1]) * QUANTITY[time[2]] / 1e-12,
        capacitance=float(load[1]) * QUANTITY[load[2].lower()] / 1e-15,
        voltage=float(voltage[1]),
    )


def _cell(name: str, group: Group, units: Units) -> Cell:
    pins = {pin.argument: pin for pin in group.all("pin")}
    flip_flop = _flip_flop(name, group, pins)
    clock = flip_flop.clock if flip_flop else None
    outputs = tuple(pin for pin, each in pins.items() if each.attributes.get("direction") == "output")
    functions = {pin: pins[pin].attributes.get("function") for pin in outputs}
    if not all(functions.values()) or any(group.all("latch")) or any(group.all("statetable")):
        raise unpriced(name, "a gate or a flip-flop of one clock edge")
    supplies = {
        pin.argument for pin in group.all("pg_pin") if pin.attributes.get("pg_type") == "primary_power"
    }
    return Cell(
        name,
        inputs=tuple(pin for pin in pins if pin not in outputs and pin != clock),
        outputs=outputs,
        functions={} if flip_flop else {pin: parse(str(text)) for pin, text in functions.items()},
        capacitance={
            pin: float(each.attributes.get("capacitance", 0)) * units.capacitance
            for pin, each in pins.items()
            if pin not in outputs
        },
        arcs=tuple(arc for pin, each in pins.items() for arc in _arcs(pin, each, supplies, units)),
        delays={pin: _delay(pins[pin], units) for pin in outputs},
        flip_flop=flip_flop,
    )


def _flip_flop(name: str, group: Group, pins: Mapping[str, Group]) -> FlipFlop | None:
    """How a cell keeps its state, if it does."""
    for each in group.all("ff"):
        clock = each.attributes.get("clocked_on", "").strip(" ()")
        if clock not in pins or {"clear", "preset"} & each.attributes.keys():
            raise unpriced(name, "a flip-flop of one rising clock edge, without a reset of its own,")
        inverse = each.argument.partition(",")[2].strip()
        inverted = {
            pin for pin, it in pins.items() if it.attributes.get("function", "").strip(" ()") == inverse
        }
        return FlipFlop(clock, parse(each.attributes["next_state"]), frozenset(inverted))
    return None


def _arcs(pin: str, group: Group, supplies: set[str], units: Units) -> Iterator[Arc]:
    for power in group.all("internal_power"):
        rail = power.attributes.get("related_pg_pin")
        if rail is not None and supplies and rail not in supplies:
            continue
        when = power.attributes.get("when")
        tables = {
            each.kind: _table(each, units, units.energy)
            for each in power.groups
            if each.kind in ("rise_power", "fall_power", "power")
        }
        both = tables.get("power", NOTHING)
        for related in power.attributes.get("related_pin", "").split() or ("",):
            yield Arc(
                pin,
                related or None,
                parse(when) if when else None,
                tables.get("rise_power", both),
                tables.get("fall_power", both),
            )


def _delay(pin: Group, units: Units) -> Table:
    """The mean of all delays to an output."""
    tables = [
        _table(each, units, units.time)
        for timing in pin.all("timing")
        for each in timing.groups
        if each.kind in ("cell_rise", "cell_fall")
    ]
    if not tables:
        return NOTHING
    loads = tables[0].loads
    return Table(loads, np.mean([each.at(loads) for each in tables], axis=0))


def _table(group: Group, units: Units, unit: float) -> Table:
    """A table of slew and load, of slew alone, or of one number, read at `SLEW`."""
    values = _numbers(group.attributes.get("values", "0"))
    slews = _numbers(group.attributes.get("index_1", "0"))
    loads = _numbers(group.attributes.get("index_2", "0"))
    if len(values) != len(slews) * len(loads):
        raise ShiftbookError(
            f"a table {group.kind} of the cell library has {len(values)} values: no such table"
        )
    by_load = values.reshape(len(slews), len(loads)).T
    return Table(
        loads * units.capacitance,
        np.array([np.interp(units.slew, slews, row) for row in by_load]) * unit,
    )


def _numbers(text: str) -> Numbers:
    return np.array([float(number) for number in NUMBER.findall(text)])
