"""Type checkers see the Python API as it is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_program_passes_mypy_strict(tmp_path):
    """No argument or result is Any: `assert_type` and the ignores of errors that must be there say so.

    `make lint` checks the same program, less strictly and in seconds.
    """
    shutil.copy(Path(__file__).with_name("consumer.py"), tmp_path)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--cache-dir",
        str(tmp_path / "cache"),
        "consumer.py",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
