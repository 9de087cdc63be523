"""The gate report as tables for people."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shiftbook.synth.flow.gates import BASELINE, Json

SHOWN_MODULES = 12


def gate_table(report: Json) -> RenderableType:
    """Engines side by side, then every module's share of each.

    Parameters
    ----------
    report
        What `synth.flow.gates.gate_report` returns.
    """
    made_with = f"{report['versions']['yosys'].split(' (')[0]}, weights {report['weights']}"
    lanes = report["one_slot_lanes"]
    notes = (
        f"One weight a cycle: shift lane {lanes['shift_ge']:,.0f} GE, int8 lane {lanes['int8_ge']:,.0f}, "
        f"ratio {lanes['ratio']:.2f}.\n"
        f"GE: NAND2 equivalents ({made_with}); modules add up to logic. Memories: macros of "
        f"{report['memories']}, or flip-flops where these are smaller. Total: both."
    )
    tables = [engine_table(report), module_table(report), memory_table(report)]
    if report["liberty"] is not None:
        tables.insert(1, library_table(report))
        notes += "\nps: longest path within one module. Flat: without hierarchy; paths cross modules."
    return Group(*tables, Text(notes, style="dim"))


def engine_table(report: Json) -> Table:
    """One row an engine."""
    system = all("accelerator_ge" in engine for engine in report["engines"].values())
    table = Table(title="Gates of the engines", title_justify="left")
    table.add_column("engine")
    for head in (
        "total, GE",
        "x int8",
        "logic, GE",
        "x int8",
        "memories, GE",
        "memory bits",
        "lane, GE",
        "x int8",
        "GE per term",
        "decoders",
        *(("accelerator, total", "its logic") if system else ()),
    ):
        table.add_column(head, justify="right")
    for name, engine in report["engines"].items():
        ratio = report["ratios"].get(name, {})
        table.add_row(
            name,
            f"{engine['whole_ge']:,.0f}",
            _ratio(ratio.get("whole")),
            f"{engine['total_ge']:,.0f}",
            _ratio(ratio.get("total")),
            f"{engine['memory_ge']:,.0f}",
            f"{engine['memory_bits']:,}",
            f"{engine['lane_ge']:,.0f}",
            _ratio(ratio.get("lane")),
            f"{engine['ge_per_term']:,.0f}",
            f"{engine['decoder_ge'] / engine['total_ge']:.1%}",
            *(f"{engine[key]:,.0f}" for key in ("accelerator_whole_ge", "accelerator_ge") if system),
            style="dim" if name == BASELINE else "",
        )
    return table


def library_table(report: Json) -> Table:
    """Area and delay in the cell library, one row an engine."""
    flat = any(engine["flat_area"] is not None for engine in report["engines"].values())
    table = Table(title=f"Area and delay: cells of {report['liberty']}", title_justify="left")
    table.add_column("engine", no_wrap=True)
    for head in (
        "total",
        "x int8",
        "logic",
        "x int8",
        "memories",
        "lane",
        "x int8",
        "lane, ps",
        "slowest, ps",
    ):
        table.add_column(head, justify="right")
    table.add_column("module", no_wrap=True)
    for head in ("flat, area", "flat, ps") if flat else ():
        table.add_column(head, justify="right")
    for name, engine in report["engines"].items():
        ratio = report["ratios"].get(name, {})
        table.add_row(
            name,
            f"{engine['whole_area']:,.0f}",
            _ratio(ratio.get("whole_area")),
            f"{engine['total_area']:,.1f}",
            _ratio(ratio.get("area")),
            f"{engine['memory_area']:,.0f}",
            f"{engine['lane_area']:,.1f}",
            _ratio(ratio.get("lane_area")),
            _figure(engine["lane_delay"]),
            _figure(engine["delay"]),
            engine["delay_module"] or "",
            *(_figure(engine[key]) for key in ("flat_area", "flat_delay") if flat),
            style="dim" if name == BASELINE else "",
        )
    return table


def module_table(report: Json) -> Table:
    """One row a module, one column an engine: instances and all their gates."""
    engines = report["engines"]
    table = Table(title="GE by module (instances)", title_justify="left")
    table.add_column("module")
    for name in engines:
        table.add_column(name, justify="right")
    largest: dict[str, float] = {}
    for engine in engines.values():
        for module, entry in engine["modules"].items():
            largest[module] = max(largest.get(module, 0.0), entry["total_ge"])
    order = sorted(largest, key=lambda module: -largest[module])
    for module in order[:SHOWN_MODULES]:
        table.add_row(module, *(_share(engine["modules"].get(module)) for engine in engines.values()))
    rest = order[SHOWN_MODULES:]
    if rest:
        sums = (
            sum(engine["modules"][module]["total_ge"] for module in rest if module in engine["modules"])
            for engine in engines.values()
        )
        table.add_row(f"{len(rest)} smaller ones", *(f"{total:,.0f}" for total in sums))
    return table


def memory_table(report: Json) -> Table:
    """One row a memory of a module, one column an engine: how many, and the GE of all of them."""
    engines = report["engines"]
    table = Table(title="GE of memories (how many)", title_justify="left")
    for head in ("module", "words x bits", "held by"):
        table.add_column(head)
    for name in engines:
        table.add_column(name, justify="right")
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for name, engine in engines.items():
        for module, entry in (engine["modules"] | engine.get("system_modules", {})).items():
            for memory in entry["memories"]:
                key = (module, f"{memory['words']:,} x {memory['bits']}", memory["held_by"])
                total = memory["count"] * memory["ge"]
                found.setdefault(key, {})[name] = f"{total:,.0f} ({memory['count']})"
    for key, cells in sorted(found.items()):
        table.add_row(*key, *(cells.get(name, "") for name in engines))
    return table


def _share(entry: Json | None) -> str:
    if entry is None:
        return ""
    return f"{entry['total_ge']:,.0f} ({entry['instances']})"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
