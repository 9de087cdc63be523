"""The tree says what may import what: arrows run downward only, and planning needs no heavy library."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ORDER = ("golden", "hw", "sim", "synth", "frontend", "shiftbook")
"""Top-level folders; one imports itself and those before it, but `ALLOWED` says less."""

ALLOWED = {
    "golden": set(),
    "hw": {"golden"},
    "sim": {"golden", "hw"},
    "synth": {"golden", "hw"},
    "frontend": {"golden"},
    "shiftbook": {"golden", "hw", "sim", "synth", "frontend"},
}


def room_of(module: str) -> str:
    """The room of a dotted module: `shiftbook.golden.model.nodes.conv` is in golden/model."""
    path = Path(*module.split(".")[1:])
    if not path.parts or path.parts[0] not in ALLOWED:
        return "shiftbook"
    folder = path if (ROOT / path).is_dir() else path.parent
    return "/".join(folder.parts[:2])


def sources() -> list[Path]:
    """Every module of the project, each once."""
    inner = [path for top in ORDER[:-1] for path in (ROOT / top).rglob("*.py")]
    own = [
        path for path in (ROOT / "shiftbook").rglob("*.py") if path.parts[len(ROOT.parts) + 1] not in ALLOWED
    ]
    return inner + own


def imported(path: Path) -> set[str]:
    """Modules of the project that a file imports, whether at its top or within a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            places = [ROOT / Path(*name.split(".")[1:]) for name in names]
            found |= {
                name if place.is_dir() or place.with_suffix(".py").exists() else node.module
                for name, place in zip(names, places, strict=True)
            }
    return {name for name in found if name.split(".")[0] == "shiftbook"}


def modules() -> dict[str, set[str]]:
    """For each module those that it imports. A package's own file is a module too."""
    return {dotted(path): imported(path) - {dotted(path)} for path in sources()}


def dotted(path: Path) -> str:
    """The name that a file is imported by."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(parts if parts[:1] == ("shiftbook",) else ("shiftbook", *parts))


def arrows() -> dict[str, set[str]]:
    """For each room those that its modules import."""
    graph: dict[str, set[str]] = {}
    for name, targets in modules().items():
        graph.setdefault(room_of(name), set()).update(map(room_of, targets))
    return {room: targets - {room} for room, targets in graph.items()}


def circles(graph: dict[str, set[str]]) -> tuple[str, ...]:
    """One circle, or none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return tuple(error.args[1])
    return ()


def upward(graph: dict[str, set[str]]) -> list[tuple[str, str]]:
    """Arrows between top-level folders that `ALLOWED` does not know."""
    tops = [(a.split("/")[0], b.split("/")[0]) for a, targets in graph.items() for b in targets]
    return [(a, b) for a, b in tops if a != b and b not in ALLOWED[a]]


def test_rooms_are_found():
    graph = arrows()
    assert "golden/isa" in graph["hw/system"]
    assert len(graph) > 20


def test_no_room_imports_in_a_circle():
    assert not circles(arrows())


def test_no_module_imports_in_a_circle():
    assert not circles(modules())


def test_no_room_imports_upward():
    assert not upward(arrows())


def test_what_is_forbidden_is_seen():
    graph = arrows()
    graph["golden/isa"].add("golden/program")
    assert {"golden/isa", "golden/program"} <= set(circles(graph))
    graph["golden/model"].add("hw/engine")
    assert upward(graph) == [("golden", "hw")]


LEAN = (
    "shiftbook.golden.program.image",
    "shiftbook.golden.program.host",
    "shiftbook.golden.program.header",
    "shiftbook.golden.mapping.cycles",
    "shiftbook.golden.mapping.legality",
    "shiftbook.golden.model.executor",
    "shiftbook.golden.storage.checkpoint",
    "shiftbook.golden.statistics.sizes",
)
"""What builds images, counts cycles and drives hardware."""

HEAVY = ("amaranth", "cocotb", "torch", "matplotlib", "pydantic", "sklearn", "typer", "rich")

BLOCK = f"""
import sys
sys.modules.update(dict.fromkeys({HEAVY!r}))
"""
"""Makes an import of any of `HEAVY` fail."""


@pytest.mark.parametrize("module", LEAN)
def test_planning_needs_no_heavy_library(module):
    subprocess.run([sys.executable, "-c", f"{BLOCK}\nimport {module}"], check=True, cwd=ROOT)


def test_a_heavy_import_would_be_seen():
    found = subprocess.run(
        [sys.executable, "-c", f"{BLOCK}\nimport shiftbook.hw.engine.lane"], cwd=ROOT, stderr=-1
    )
    assert found.returncode == 1
    assert b"amaranth" in found.stderr
