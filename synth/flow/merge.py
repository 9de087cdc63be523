"""Modules that several designs have in common, found by their text, so that each is mapped once.

Engines of one generator share most of their modules: rotators, decoders, requantizers.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shiftbook.synth.flow.netlist import Module, Netlist

MODULE = re.compile(r"\bmodule (\w+)\(.*?\bendmodule\b", re.DOTALL)
# The first of "module_name instance_name (": what is no module of the design is left alone.
INSTANCE = re.compile(r"(?<![\w\\$.])([A-Za-z_]\w*)(?=\s+(?:\\\S+\s|\w+)\s*\()")
# Names that Yosys' Verilog writer numbers through a whole file; they differ where nothing else does.
NUMBERED = re.compile(r"\$auto\$\S+\$\d+")


@dataclass(frozen=True)
class Design:
    """Verilog of a hierarchy.

    Parameters
    ----------
    top
        Name of the top module.
    verilog
        As `hw.verilog.emit` writes it.
    """

    top: str
    verilog: str


@dataclass(frozen=True)
class Merged:
    """Several designs in one file.

    Parameters
    ----------
    verilog
        Every distinct module once, under a name of its own.
    names
        For each design, from the names of its modules to those in ``verilog``.
    """

    verilog: str
    names: Mapping[str, Mapping[str, str]]

    def netlist(self, design: str, top: str, mapped: Mapping[str, Module], yosys: str) -> Netlist:
        """One design's netlist, under its own names, from the mapped modules of the merged file."""
        own = {merged: name for name, merged in self.names[design].items()}
        modules = {}
        for merged, name in own.items():
            found = mapped[merged]
            children = {own[child]: count for child, count in found.children.items()}
            modules[name] = replace(found, children=children, circuit=_renamed(found.circuit, own))
        return Netlist(top, modules, yosys)


def merge(designs: Mapping[str, Design]) -> Merged:
    """Join designs; modules with the same text and the same modules below are one module."""
    texts: dict[str, str] = {}
    names = {}
    for key, design in designs.items():
        names[key] = _unique(design.verilog, texts)
    return Merged("\n\n".join(texts.values()) + "\n", names)


def _unique(verilog: str, texts: dict[str, str]) -> dict[str, str]:
    """Add the modules of one design to ``texts`` by unique name; return the unique names."""
    sources = {match[1]: match[0] for match in MODULE.finditer(verilog)}
    unique: dict[str, str] = {}

    def visit(name: str) -> str:
        if name not in unique:
            text = INSTANCE.sub(lambda m: visit(m[1]) if m[1] in sources else m[1], sources[name])
            text = _renumbered(text)
            unique[name] = f"{name}_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
            texts[unique[name]] = text.replace(f"module {name}(", f"module {unique[name]}(", 1)
        return unique[name]

    for name in sources:
        visit(name)
    return unique


def _renamed(circuit: dict[str, Any] | None, own: Mapping[str, str]) -> dict[str, Any] | None:
    """A module's JSON with the design's own names of the modules in it."""
    if circuit is None:
        return None
    cells = {
        name: {**cell, "type": own.get(cell["type"], cell["type"])} for name, cell in circuit["cells"].items()
    }
    return {**circuit, "cells": cells}


def _renumbered(text: str) -> str:
    """The text with its numbered names counted from 0."""
    seen: dict[str, str] = {}
    return NUMBERED.sub(lambda m: seen.setdefault(m[0], f"$auto${len(seen)}"), text)
