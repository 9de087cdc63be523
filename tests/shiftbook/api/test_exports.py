"""What `import shiftbook` gives, and what it does not load for it."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import shiftbook
from tests.shiftbook.test_package import ROOT, build

HEAVY = ("amaranth", "matplotlib", "numpy", "torch", "typer")

LIGHT = f"import sys, shiftbook; print([name for name in {HEAVY} if name in sys.modules])"


def test_the_import_loads_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", LIGHT], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def seen_by_type_checkers() -> dict[str, str]:
    """Names that the file imports for type checkers, and the modules that they come from."""
    tree = ast.parse(Path(shiftbook.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name))
    return {
        alias.name: node.module or ""
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_type_checkers_see_what_is_there():
    homes = {name: module for module, names in shiftbook._HOMES.items() for name in names}
    assert seen_by_type_checkers() == homes
    assert set(shiftbook.__all__) == {*homes, "ShiftbookError", "__version__"}


@pytest.mark.parametrize("name", shiftbook.__all__)
def test_every_name_is_there(name):
    assert getattr(shiftbook, name) is not None
    assert name in dir(shiftbook)


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="has no attribute 'gate'"):
        _ = shiftbook.gate


def test_the_wheel_says_that_it_is_typed(tmp_path):
    assert "shiftbook/py.typed" in zipfile.ZipFile(build("wheel", tmp_path)).namelist()
