"""A cell library in round numbers, as data and as Liberty files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VOLTAGE = 0.5
LOADS = (1.0, 4.0, 16.0)
SLEWS = (10, 20, 40)

Line = tuple[float, float]
"""Femtojoules: a base, and a slope by femtofarad of load."""


@dataclass(frozen=True)
class Power:
    """An internal energy; ``related`` and ``when`` as in Liberty, and empty for none."""

    pin: str
    related: str
    when: str
    rise: Line
    fall: Line


@dataclass(frozen=True)
class Plain:
    """A cell: functions and conditions are Python expressions of 0 and 1."""

    area: float
    output: str
    function: str
    pins: Mapping[str, float]
    powers: tuple[Power, ...]
    delay: Line = (10.0, 4.0)
    clock: str = ""


def _two(base: float, conditions: tuple[str, str]) -> tuple[Power, ...]:
    """Energies of a gate of A and B: Y by A and by B, and each alone where the other holds Y."""
    return (
        Power("Y", "A", "", (base, 0.01), (base + 0.1, 0.02)),
        Power("Y", "B", "", (base + 0.3, 0.03), (base + 0.45, 0.0)),
        Power("A", "", conditions[0], (base / 10, 0.0), (base / 20, 0.0)),
        Power("B", "", conditions[1], (-base / 25, 0.0), (base / 40, 0.0)),
    )


CELLS = {
    "BUFx2_ASAP7_75t_R": Plain(
        1.5, "Y", "A", {"A": 0.5}, (Power("Y", "A", "", (0.2, 0.0), (0.3, 0.01)),), (12.0, 1.0)
    ),
    "INV": Plain(1, "Y", "1 - A", {"A": 0.6}, (Power("Y", "A", "", (0.1, 0.0), (0.15, 0.01)),), (7.0, 5.0)),
    "NAND2": Plain(2, "Y", "1 - (A & B)", {"A": 0.7, "B": 0.8}, _two(0.5, ("1 - B", "1 - A"))),
    "NOR2": Plain(2.1, "Y", "1 - (A | B)", {"A": 0.9, "B": 1.0}, _two(0.6, ("B", "A")), (14.0, 6.0)),
    "XOR2": Plain(
        3,
        "Y",
        "A ^ B",
        {"A": 1.1, "B": 1.2},
        (
            Power("Y", "A", "B", (0.7, 0.01), (0.8, 0.02)),
            Power("Y", "A", "1 - B", (0.9, 0.03), (1.0, 0.04)),
            Power("Y", "B", "A", (1.1, 0.0), (1.2, 0.0)),
            Power("Y", "B", "1 - A", (1.3, 0.01), (1.4, 0.01)),
        ),
        (22.0, 6.0),
    ),
    "DFF": Plain(
        8,
        "Q",
        "D",
        {"D": 0.4, "CK": 0.3},
        (
            Power("Q", "CK", "", (2.0, 0.1), (2.5, 0.2)),
            Power("CK", "", "D & Q", (0.31, 0.0), (0.41, 0.0)),
            Power("CK", "", "D & (1 - Q)", (0.0, 0.0), (0.52, 0.0)),
            Power("CK", "", "(1 - D) & Q", (0.0, 0.0), (0.63, 0.0)),
            Power("CK", "", "(1 - D) & (1 - Q)", (0.34, 0.0), (0.44, 0.0)),
            Power("D", "", "CK", (0.05, 0.0), (0.06, 0.0)),
            Power("D", "", "1 - CK", (0.55, 0.0), (0.66, 0.0)),
        ),
        (60.0, 2.0),
        clock="CK",
    ),
}

FILES = {"AO": list(CELLS), "INVBUF": [], "OA": [], "SEQ": [], "SIMPLE": []}
"""Those that the technology asap7 asks for."""

HEAD = f"""library (tiny_{{name}}) {{{{
  time_unit : "1ps"; capacitive_load_unit (1, ff); nom_voltage : {VOLTAGE}; voltage_unit : "1V";
  slew_lower_threshold_pct_rise : 10; slew_upper_threshold_pct_rise : 90;
  lu_table_template (t) {{{{ variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
    index_1 ("{", ".join(map(str, SLEWS))}"); index_2 ("{", ".join(map(str, LOADS))}"); }}}}
"""


def write(folder: Path, cells: Mapping[str, Plain] = CELLS) -> Path:
    """The files, with these cells in the place of ASAP7's."""
    for name, inside in FILES.items():
        text = HEAD.format(name=name) + "".join(_cell(cell, cells[cell]) for cell in inside) + "}\n"
        (folder / f"asap7sc7p5t_{name}_RVT_TT_nldm_0.lib").write_text(text)
    return folder


def liberty(expression: str) -> str:
    """A Python expression as Liberty has it."""
    return expression.replace("1 - ", "!").replace("&", "*").replace("|", "+")


def _cell(name: str, cell: Plain) -> str:
    pins = "".join(_input(pin, load, cell) for pin, load in cell.pins.items())
    supply = "pg_pin (VDD) { pg_type : primary_power; } pg_pin (VSS) { pg_type : primary_ground; }"
    keeps = (
        f'ff (IQ, IQN) {{ next_state : "{cell.function}"; clocked_on : "{cell.clock}"; }}'
        if cell.clock
        else ""
    )
    return f"  cell ({name}) {{ area : {cell.area}; {supply} {keeps}\n{pins}{_output(cell)}  }}\n"


def _input(pin: str, load: float, cell: Plain) -> str:
    clock = "clock : true; " if pin == cell.clock else ""
    return f"    pin ({pin}) {{ direction : input; capacitance : {load}; {clock}{_powers(pin, cell)} }}\n"


def _output(cell: Plain) -> str:
    function = "IQ" if cell.clock else liberty(cell.function)
    inputs = [cell.clock] if cell.clock else list(cell.pins)
    kind = "timing_type : rising_edge; " if cell.clock else ""
    shapes = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
    tables = "".join(_table(shape, cell.delay) for shape in shapes)
    timing = "".join(f'timing () {{ related_pin : "{pin}"; {kind}{tables} }}\n' for pin in inputs)
    start = f'    pin ({cell.output}) {{ direction : output; max_capacitance : 64; function : "{function}";\n'
    return f"{start}{timing}{_powers(cell.output, cell)} }}\n"


def _powers(pin: str, cell: Plain) -> str:
    """Of the supply, and ten times as much at ground, which must not count."""
    found = []
    for power in cell.powers:
        if power.pin != pin:
            continue
        related = f'related_pin : "{power.related}"; ' if power.related else ""
        when = f'when : "{liberty(power.when)}"; ' if power.when else ""
        for rail, times in (("VDD", 1), ("VSS", 10)):
            tables = "".join(
                _table(f"{way}_power", (times * line[0], times * line[1]))
                for way, line in (("rise", power.rise), ("fall", power.fall))
            )
            found.append(f"internal_power () {{ {related}{when}related_pg_pin : {rail}; {tables} }}\n")
    return "".join(found)


def _table(kind: str, line: Line) -> str:
    """A table whose middle slew has the line's values."""
    rows = [
        ", ".join(f"{line[0] + line[1] * load + (slew - 20) / 100:.6f}" for load in LOADS) for slew in SLEWS
    ]
    values = ", ".join(f'"{row}"' for row in rows)
    slews, loads = (", ".join(map(str, index)) for index in (SLEWS, LOADS))
    return f'{kind} (t) {{ index_1 ("{slews}"); index_2 ("{loads}"); values ({values}); }}\n'
