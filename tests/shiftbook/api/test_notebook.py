"""examples/quickstart.ipynb runs in a Jupyter kernel, and shows what it showed when it was stored."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.shiftbook.test_package import ROOT

NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"

MOST_BYTES = 200_000
"""Of the stored file with its plots."""

EXECUTE = "from nbclient.cli import main; main()"


def kinds(path: Path) -> list[list[str]]:
    """For each cell the kinds of its outputs, such as a picture; pieces of a stream count once."""
    cells = nbformat.read(path, as_version=4).cells
    outputs = [cell.get("outputs", []) for cell in cells]
    return [
        sorted({kind for out in cell for kind in out.get("data", [out.get("name")]) if kind})
        for cell in outputs
    ]


@pytest.mark.slow
def test_it_runs(tmp_path):
    copy = Path(shutil.copy(NOTEBOOK, tmp_path))
    own = {"IPYTHONDIR": str(tmp_path / "ipython"), "JUPYTER_CONFIG_DIR": str(tmp_path / "jupyter")}
    command = [sys.executable, "-c", EXECUTE, "--inplace", copy.name]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert kinds(copy) == kinds(NOTEBOOK)


def test_the_stored_file_is_small_and_has_its_plots():
    nbformat.validate(nbformat.read(NOTEBOOK, as_version=4))
    assert NOTEBOOK.stat().st_size < MOST_BYTES
    assert sum("image/png" in cell for cell in kinds(NOTEBOOK)) == 3
