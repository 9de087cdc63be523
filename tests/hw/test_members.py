# amaranth: UnusedElaboratable=no
"""What a component's docstring says of its members must be its signature."""

from __future__ import annotations

import importlib
import inspect
import itertools
import pkgutil
import re
from dataclasses import replace

import pytest
from amaranth.lib import wiring
from amaranth.lib.wiring import In

import shiftbook.hw
import shiftbook.hw.engine
import shiftbook.hw.system
from shiftbook.golden.isa.registers import Region
from shiftbook.golden.spec import PRESETS, Spec
from shiftbook.hw.engine.function_table import FunctionTable
from shiftbook.hw.system.fifo import Fifo
from shiftbook.hw.system.tensor_buffer import TensorBuffer

SECTIONS = ("Parameters", "Members", "Latency", "Numeric range", "Raises", "Source")
VARIANTS = {
    **{name: PRESETS[name] for name in ("shift", "int8", "int8_sparse")},
    "parity": replace(PRESETS["shift"], bus_parity=True),
    "no tables": replace(PRESETS["shift"], function_tables=False),
    "on chip": replace(PRESETS["shift"], tensor_kib=32),
}


def components() -> list[type[wiring.Component]]:
    found = []
    for package in (shiftbook.hw, shiftbook.hw.engine, shiftbook.hw.system):
        for info in pkgutil.iter_modules(package.__path__):
            module = importlib.import_module(f"{package.__name__}.{info.name}")
            found += [
                member
                for _, member in inspect.getmembers(module, inspect.isclass)
                if issubclass(member, wiring.Component) and member.__module__ == module.__name__
                if not inspect.isabstract(member)  # its docstring is read for its subclasses
            ]
    return found


def documented(component: type[wiring.Component]) -> list[tuple[str, str]]:
    """Name and direction of each member, in order; a subclass without the section has its base's."""
    for kind in component.__mro__:
        lines = (inspect.cleandoc(kind.__doc__ or "")).splitlines()
        if "Members" in lines:
            break
    begin = lines.index("Members") + 2
    ends = [i for i in range(begin, len(lines) - 1) if set(lines[i + 1]) == {"-"} and lines[i] in SECTIONS]
    section = lines[begin : ends[0] if ends else None]
    found = [re.fullmatch(r"(\w+) : (In|Out)\((.+)\)(\.array\(\w+\))?", line) for line in section]
    assert all(found[i] for i, line in enumerate(section) if line and not line.startswith(" ")), section
    return [(match[1], match[2]) for match in found if match]


def construct(component: type[wiring.Component], spec: Spec) -> list[wiring.Component]:
    """Every way to construct it for a spec."""
    there = {FunctionTable: spec.function_tables, TensorBuffer: bool(spec.tensor_kib)}
    lacks_it = not there.get(component, True)
    choices = {
        "spec": [] if lacks_it else [spec],
        "code": [] if spec.feed == "dense" else [Region.GAP_CODE, Region.CODE_CODE],
        "word_width": [spec.word_width, 64],
        "size": [4],
        "parity": [spec.bus_parity],
        "item": [7],
        "width": [8],
        "depth": [4],
        "component": [Fifo(7, 4)],
    }
    parameters = inspect.signature(component).parameters
    return [component(*chosen) for chosen in itertools.product(*(choices[name] for name in parameters))]


def reasons(block: wiring.Component, spec: Spec) -> list[str]:
    """What the docstring may say of members that are not there."""
    found = ["ot there with a dense feed"] if spec.feed == "dense" else []
    found += [f"ot there with ``Region.{block.code.name}``"] if hasattr(block, "code") else []
    found += [] if spec.function_tables else ["ith ``Spec.function_tables`` only"]
    found += [] if spec.tensor_kib else ["ith a tensor buffer only"]
    return found if spec.bus_parity else [*found, "ith parity only", "ith ``Spec.bus_parity`` only"]


def test_components_are_found() -> None:
    names = {c.__name__ for c in components()}
    assert names >= {"Engine", "Slot", "ShiftLane", "HuffmanDecoder", "Fifo", "Accelerator", "Supervisor"}


@pytest.mark.parametrize("component", components(), ids=lambda c: c.__name__)
def test_members(component: type[wiring.Component]) -> None:
    listed = documented(component)
    assert len(dict(listed)) == len(listed)
    seen = set()
    for spec in VARIANTS.values():
        for block in construct(component, spec):
            actual = {
                name: "In" if member.flow == In else "Out" for name, member in block.signature.members.items()
            }
            missing = set(dict(listed)) - set(actual)
            if missing:
                text = inspect.getdoc(component)
                assert any(reason in text for reason in reasons(block, spec))
            assert actual == {name: flow for name, flow in listed if name in actual}
            seen |= set(actual)
    assert seen == set(dict(listed))


@pytest.mark.parametrize("component", components(), ids=lambda c: c.__name__)
def test_sections(component: type[wiring.Component]) -> None:
    text = "\n".join(inspect.cleandoc(kind.__doc__ or "") for kind in component.__mro__[:-1])
    assert ("Parameters\n---" in text) == bool(inspect.signature(component).parameters)
    assert "Members\n---" in text
