"""A study of a small network that runs in seconds, and what is shared around it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from shiftbook.study.study import Study, read_study

NET = """
import torch
from torch import nn


def make():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(72, 10),
    )
"""

STUDY = """
[network.tiny]
source = "{folder}/net.py:make"
data = "digits"

[[compression]]
scheme = ["shift", "int8"]
density = [0.5, 1.0]

[[engine]]
preset = ["shift", "two_term"]
slots = [1, 2, 4]
bus = [16, 32]

[objectives]
accuracy = "max"
cycles = "min"
stored_bytes = "min"

[constraints]
lost = {{ at_most = 0.5 }}
"""
"""48 points."""

Write = Callable[..., Path]


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the network."""
    folder = tmp_path_factory.mktemp("network")
    (folder / "net.py").write_text(NET)
    return folder


@pytest.fixture(scope="session")
def study_file(place: Path) -> Path:
    path = place / "study.toml"
    path.write_text(STUDY.format(folder=place))
    return path


@pytest.fixture(scope="session")
def study(study_file: Path) -> Study:
    return read_study(study_file)


def tree(folder: Path) -> dict[str, bytes]:
    """All files of a folder by their names."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
