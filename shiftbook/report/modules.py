"""What engines are made of: gates and memories by module."""

from __future__ import annotations

import re
from collections.abc import Callable

from shiftbook.report.palette import HUES
from shiftbook.report.plot import Plot
from shiftbook.report.stacks import stacked_plot
from shiftbook.results.gates import GateReport, Module

SHOWN = len(HUES) - 1
"""Modules that have a colour of their own; the last hue is of all others together."""

REST = "others"


def gates_plot(gates: GateReport, slug: str) -> Plot | None:
    """Gates by module; None where there are none."""
    return _plot(gates, f"{slug}.gates", "Gates by module", "GE (NAND2 equivalents)", lambda m: m.total_ge)


def memory_plot(gates: GateReport, slug: str) -> Plot | None:
    """Memories by module, in gates; in bits where a file does not tell. None where there are none."""
    modules = [module for engine in gates.engines.values() for module in engine.modules.values()]
    if any(module.memory_ge is None for module in modules):
        return _plot(gates, f"{slug}.memory", "Memory bits by module", "bits", lambda m: m.memory_bits)
    title, axis = "Memories by module", "GE (NAND2 equivalents)"
    return _plot(gates, f"{slug}.memory", title, axis, lambda m: m.memory_ge or 0.0)


def kind(module: str) -> str:
    """What a module is: versions of one that the generator numbers are the same, and so are all lanes."""
    plain = re.sub(r"_v\d+$", "", module)
    return "lanes" if plain.endswith("_lane") else plain.replace("_", " ")


def _plot(
    gates: GateReport, name: str, title: str, axis: str, amount: Callable[[Module], float]
) -> Plot | None:
    found: dict[str, dict[str, float]] = {}
    for engine, entry in gates.engines.items():
        for module, figures in entry.modules.items():
            of_kind = found.setdefault(kind(module), dict.fromkeys(gates.engines, 0.0))
            of_kind[engine] += amount(figures)
    order = sorted((k for k in found if any(found[k].values())), key=lambda k: (-max(found[k].values()), k))
    if not order:
        return None
    shown = order if len(order) <= len(HUES) else order[:SHOWN]
    series = {k: list(found[k].values()) for k in shown}
    hues = list(HUES[: len(shown)])
    rest = order[len(shown) :]
    if rest:
        series[f"{len(rest)} {REST}"] = [sum(found[k][engine] for k in rest) for engine in gates.engines]
        hues.append(HUES[-1])
    note = f"{REST.capitalize()}: {', '.join(rest)}." if rest else ""
    return stacked_plot(name, title, list(gates.engines), series, hues, axis, row_height=30, note=note)
