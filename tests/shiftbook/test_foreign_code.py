"""Networks whose own code changes the folder that the program runs in: paths stay where they were meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shiftbook import cli
from shiftbook.frontend.importing.load import load_model

NET = """
import os
from torch import nn

AWAY = {away!r}

def make():
    os.chdir(AWAY)
    return nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3))

class Wanders(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = make()

    def forward(self, x):
        os.chdir(AWAY)
        return self.layers(x)

def fails():
    os.chdir(AWAY)
    raise ValueError("lost")
"""


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Path) -> Path:
    """The folder where the code goes; the tests are in another one, which has the code and the data."""
    folder = tmp_path / "away"
    folder.mkdir()
    (tmp_path / "net.py").write_text(NET.format(away=str(folder)))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.parametrize("factory", ["make", "Wanders"])
def test_outputs_are_where_they_were_meant(factory: str, away: Path, tmp_path: Path, capsys) -> None:
    source, here = f"net.py:{factory}", set(os.listdir(tmp_path))
    words = ["compress", source, "-o", "net.ckpt", "--data", "images.npz", "--epochs", "1", "--batch", "2"]
    assert cli.main([*words, "--json", "net.json", "--log", "net.log"]) == 0
    assert capsys.readouterr().out.startswith("net.ckpt: ratio ")
    os.chdir(tmp_path)
    words = ["run", "net.ckpt", "--data", "images.npz", "--float", source, "--json", "run.json"]
    assert cli.main(words) == 0
    assert set(os.listdir(tmp_path)) - here == {"net.ckpt", "net.json", "net.log", "run.json"}
    assert os.listdir(away) == []


@pytest.mark.parametrize("factory", ["make", "fails"])
def test_a_factory_leaves_the_folder_as_it_was(factory: str, away: Path, tmp_path: Path) -> None:
    """Inputs and the caches of tools may be named from it."""
    if factory == "make":
        load_model("net.py:make")
    else:
        with pytest.raises(ValueError, match="lost"):
            load_model("net.py:fails")
    assert Path.cwd() == tmp_path
