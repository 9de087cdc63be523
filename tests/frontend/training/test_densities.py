"""Densities of single layers: met with and without fine-tuning, and refused where they mean nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shiftbook.frontend.compress import compress
from shiftbook.frontend.options.compression import CompressionOptions
from shiftbook.frontend.options.data import DataOptions
from shiftbook.frontend.options.training import TrainingOptions
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.network import Network

NET = """
import torch
from torch import nn


def make():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(64, 4),
    )
"""


def compressed(folder: Path, densities: dict[str, float], epochs: int = 0, **options: object) -> Network:
    (folder / "net.py").write_text(NET)
    x = np.random.default_rng(0).integers(0, 256, (80, 8, 8, 1), np.uint8)
    np.savez(folder / "x.npz", x=x, y=np.arange(80) % 4)
    return compress(
        f"{folder}/net.py:make",
        folder / "net.ckpt",
        data=DataOptions(images=str(folder / "x.npz")),
        compression=CompressionOptions(scheme="shift", densities=densities, **options),
        training=TrainingOptions(epochs=epochs),
    ).network


def kept(network: Network) -> dict[str, float]:
    return {node.name: float(np.mean(node.weights.integers != 0)) for node in network.nodes}


@pytest.mark.parametrize("epochs", [0, 2])
def test_each_layer_keeps_its_share(epochs: int, tmp_path: Path) -> None:
    network = compressed(tmp_path, {"2": 0.25, "4": 0.75}, epochs, density=1.0)
    shares = kept(network)
    assert shares["2"] == pytest.approx(0.25, abs=0.01)
    assert shares["4"] == pytest.approx(0.75, abs=0.01)
    assert network.facts["densities"] == {"2": 0.25, "4": 0.75}


def test_the_others_keep_the_common_share(tmp_path: Path) -> None:
    shares = kept(compressed(tmp_path, {"2": 0.75}, density=0.25))
    assert shares["2"] == pytest.approx(0.75, abs=0.01)
    assert shares["4"] == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("densities", "message"),
    [
        ({"9": 0.5}, "densities name a layer '9' that is not there: choose of 2, 4"),
        ({"0": 0.5}, "densities name a layer '0' that is never pruned: choose of 2, 4"),
        ({"2": 0.0}, r"the density of layer '2' must be in \(0, 1\], not 0.0"),
        ({"2": "half"}, r"the density of layer '2' must be in \(0, 1\], not 'half'"),
    ],
)
def test_a_density_that_means_nothing(densities: dict[str, float], message: str, tmp_path: Path) -> None:
    with pytest.raises(ShiftbookError, match=f"^{message}$"):
        compressed(tmp_path, densities)
