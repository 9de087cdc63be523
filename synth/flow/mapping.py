"""From Verilog to mapped netlists: the one flow that every engine and baseline goes through.

Gates are counted at relaxed timing; cells of a library are buffered and sized. Memories stay memory cells.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from shiftbook.golden.errors import ShiftbookError
from shiftbook.synth.flow.liberty import Liberty
from shiftbook.synth.flow.merge import MODULE, Design, merge
from shiftbook.synth.flow.netlist import (
    CellCost,
    Module,
    Netlist,
    cheaper,
    parse_delays,
    parse_memories,
    parse_stat,
)
from shiftbook.synth.flow.yosys import Yosys, YosysError, find_yosys
from shiftbook.synth.technologies.technology import Technology

GATES = "AND,NAND,OR,NOR,XOR,XNOR,MUX"

ABC_SCRIPT = (
    "strash; &get -n; &fraig -x; &put; scorr; dc2; dretime; strash; &get -n; &dch -f; &nf; &put; "
    "buffer; upsize; dnsize; stime"
)
"""For cells: the script that Yosys gives abc where it knows the borders' drivers and loads. Large loads get
buffers; gates grow until the longest path is as short as it gets, and shrink where that costs nothing."""

PROCESSES = 2
"""Yosys runs at a time."""

DESIGN = "design.v"
STAT = "stat.json"
MEMORIES = "memories.json"
DELAYS = "delays.log"
CIRCUITS = "circuits.json"
BORDERS = "borders.constr"

Modules = dict[str, Module]


@dataclass(frozen=True)
class Run:
    """One run of Yosys.

    Parameters
    ----------
    chosen
        What to map, as Yosys selects it; all other modules become boxes.
    booth
        Booth encode multipliers.
    flat
        A top module to dissolve the hierarchy below, before anything is chosen.
    """

    chosen: str
    booth: bool = False
    flat: str | None = None


def map_designs(
    designs: Mapping[str, Design],
    prices: CellCost,
    *,
    liberty: Liberty | None = None,
    yosys: Yosys | None = None,
    circuits: bool = False,
) -> dict[str, Netlist]:
    """Map designs, by name, to gates or to the cells of a Liberty library.

    Every distinct module of all designs is mapped once, and once more with Booth's encoding if it multiplies;
    the cheaper one counts.

    Parameters
    ----------
    prices
        Decides what is cheaper.
    circuits
        Keep each module's `Module.circuit`, too.

    Raises
    ------
    ShiftbookError
        If the library cannot map the designs.
    YosysError
        If Yosys refuses the Verilog, which is a bug of the generator.
    """
    merged = merge(designs)
    sizes = {match[1]: len(match[0]) for match in MODULE.finditer(merged.verilog)}
    runs = [Run(" ".join(part), booth=False) for part in _parts(sizes, PROCESSES)]
    runs.append(Run("t:$mul %m", booth=True))
    results = _map(merged.verilog, runs, sizes, liberty, yosys, circuits)
    plain = {name: module for modules, _ in results[:-1] for name, module in modules.items()}
    booth, version = results[-1]
    best = {name: cheaper(module, booth.get(name), prices) for name, module in plain.items()}
    return {name: merged.netlist(name, design.top, best, version) for name, design in designs.items()}


def map_flat(
    design: Design, prices: CellCost, *, liberty: Liberty | None = None, yosys: Yosys | None = None
) -> Netlist:
    """Map a design without its hierarchy: logic is then also optimized, and timed, across module borders."""
    runs = [Run("*", booth, flat=design.top) for booth in (False, True)]
    (plain, version), (booth, _) = _map(design.verilog, runs, (), liberty, yosys)
    return Netlist(design.top, {design.top: cheaper(plain[design.top], booth[design.top], prices)}, version)


def _parts(sizes: Mapping[str, int], count: int) -> list[list[str]]:
    """Modules in parts of about the same amount of text."""
    parts: list[list[str]] = [[] for _ in range(count)]
    loads = [0] * count
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        lightest = loads.index(min(loads))
        parts[lightest].append(name)
        loads[lightest] += sizes[name]
    return [part for part in parts if part]


def _map(
    verilog: str,
    runs: Sequence[Run],
    known: Mapping[str, int] | Sequence[str],
    liberty: Liberty | None,
    yosys: Yosys | None,
    circuits: bool = False,
) -> list[tuple[Modules, str]]:
    """Mapped modules of each run, and the version of Yosys."""
    runner = yosys or find_yosys()
    inputs: dict[str, str | bytes] = {DESIGN: verilog}
    if liberty is not None:
        inputs |= liberty.files
    if liberty is not None and liberty.technology is not None:
        inputs[BORDERS] = borders(liberty.technology)
    files = [STAT, MEMORIES, *([DELAYS] if liberty is not None and liberty.timed else [])]
    files += [CIRCUITS] if circuits else []
    last = [f"json -o {CIRCUITS}"] if circuits else []
    try:
        with ThreadPoolExecutor(PROCESSES) as pool:
            outputs = list(
                pool.map(lambda run: runner.run(flow(run, liberty, known) + last, inputs, files), runs)
            )
    except YosysError as error:
        if liberty is None:
            raise
        raise ShiftbookError(f"the design cannot be mapped to {liberty.names}: {_explain(error)}") from None
    return [_parse(output, known) for output in outputs]


def _parse(output: Mapping[str, str], known: Mapping[str, int] | Sequence[str]) -> tuple[Modules, str]:
    modules, version = parse_stat(output[STAT], known, parse_memories(output[MEMORIES]))
    if DELAYS in output:
        delays = parse_delays(output[DELAYS])
        modules = {name: replace(module, delay=delays.get(name, 0.0)) for name, module in modules.items()}
    if CIRCUITS in output:
        circuits = json.loads(output[CIRCUITS])["modules"]
        modules = {name: replace(module, circuit=circuits[name]) for name, module in modules.items()}
    return modules, version


def flow(run: Run, liberty: Liberty | None = None, known: Iterable[str] = ()) -> list[str]:
    """The Yosys script.

    Parameters
    ----------
    known
        Names of all modules of a design that keeps its hierarchy.
    """
    if liberty is None:
        gates = [f"abc -g {GATES}"]
    else:
        gates = _map_to_cells(liberty, [run.flat] if run.flat else known)
    return [
        f"read_verilog -sv {DESIGN}",
        "hierarchy -check" + (f" -top {run.flat}" if run.flat else ""),
        # Verilog's "if (enable) memory[address] <= data" reads as don't care values while not enabled. Left
        # alone they turn into an AND gate for each bit of address and data of every memory.
        "proc",
        "opt_expr -mux_undef",
        *(["flatten -noscopeinfo"] if run.flat else []),
        f"select -set chosen {run.chosen}",
        "blackbox * @chosen %d",
        "synth -run begin:fine" + (" -booth" if run.booth else ""),
        "opt",
        "techmap",
        *gates,
        "opt_clean",
        f"json -o {MEMORIES} t:$mem_v2",
        f"tee -q -o {STAT} stat -json",
    ]


def borders(technology: Technology) -> str:
    """What drives a module's inputs and what its outputs drive, for abc."""
    return f"set_driving_cell {technology.driver}\nset_load {technology.load}\n"


def _map_to_cells(liberty: Liberty, modules: Iterable[str]) -> list[str]:
    """Map to a library; one module after another where delays are logged, so that they say whose they are."""
    files = " ".join(f"-liberty {name}" for name in liberty.files)
    script = ABC_SCRIPT.replace("; ", ";").replace(" ", ",")
    constraints = f" -constr {BORDERS}" if liberty.technology else ""
    timed = [f"tee -q -a {DELAYS} abc {files}{constraints} -script +{script} {module}" for module in modules]
    return [f"dfflibmap {files}", *(timed if liberty.timed else [f"abc {files}"])]


def _explain(error: YosysError) -> str:
    """Why a library does not do; abc itself only crashes where a basic gate is missing."""
    if "ABC" in error.reason:
        return "abc needs at least a buffer, an inverter and a NAND or NOR gate"
    return error.reason.removeprefix("ERROR: ")
