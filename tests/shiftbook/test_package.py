"""The package as it is handed out: one name at the top, and at home beside folders of any name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]

NAMES = ("hw", "sim", "golden", "synth", "frontend")
"""Folders of the repository; a user may have some of the same names."""

LANES = ("--lanes", "4x4")
"""As tests/shiftbook/test_run.py has them: one simulator for both."""

NET = """
import torch
from torch import nn

from frontend.layers import first
from golden import outputs
from hw import kernel
from sim import seed
from synth import hidden

def make():
    torch.manual_seed(seed)
    return nn.Sequential(first(kernel), nn.ReLU(), nn.Flatten(), nn.Linear(hidden, outputs))
"""

FILES = {
    "net.py": NET,
    "frontend/layers.py": "from torch import nn\n\ndef first(kernel):\n    return nn.Conv2d(1, 4, kernel)\n",
    "golden/__init__.py": "outputs = 3\n",
    "hw/__init__.py": "kernel = 3\n",
    "sim/__init__.py": "seed = 1\n",
    "synth/__init__.py": "hidden = 144\n",
    "frontend/__init__.py": "",
}


def build(kind: str, folder: Path) -> Path:
    """A wheel or an sdist of this checkout."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def python(wheel: Path, tmp_path: Path) -> Path:
    """An environment with the wheel and what it depends on, and without this checkout."""
    folder = tmp_path / "environment"
    venv.create(folder)
    site = next((folder / "lib").glob("python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's folder with packages of the same names."""
    for name, text in FILES.items():
        path = tmp_path / "home" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 3
    np.savez(tmp_path / "home" / "data.npz", x=rng.integers(0, 256, (24, 8, 8, 1), np.uint8), y=labels)
    return tmp_path / "home"


def test_the_wheel_has_one_name_at_the_top(wheel: Path) -> None:
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"shiftbook"}
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if name.count("/") == 2}
    assert {f"shiftbook/{name}/__init__.py" for name in NAMES} <= inside


def test_the_sdist_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "sdist").mkdir()
    (tmp_path / "again").mkdir()
    sdist = build("sdist", tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    source = tmp_path / sdist.name.removesuffix(".tar.gz")
    packages = {path.parent.name for path in source.glob("*/__init__.py")}
    assert packages == {"shiftbook"}
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "again")]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (again,) = (tmp_path / "again").iterdir()
    assert set(zipfile.ZipFile(again).namelist()) == set(zipfile.ZipFile(wheel).namelist())


def test_beside_folders_of_the_same_names(python: Path, home: Path) -> None:
    def shiftbook(*arguments: str) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [python, "-m", "shiftbook", *arguments], cwd=home, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    data = ("--data", "data.npz")
    shiftbook("compress", "net.py:make", *data, "-o", "net.ckpt", "--scheme", "int8", "--density", "1")
    shiftbook("run", "net.ckpt", *data, "--float", "net.py:make", "--json", "golden.json")
    shiftbook("run", "net.ckpt", *data, "--backend", "rtl", "--limit", "1", "--json", "rtl.json", *LANES)
    shiftbook("gates", "--engine", "shift", "--lanes", "3x2", "--json", "gates.json")
    assert json.loads((home / "golden.json").read_text())["agreement"] > 0.5
    assert json.loads((home / "rtl.json").read_text())["mismatches"] == 0
