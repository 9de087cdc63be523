"""A checkpoint of two layers that every command can run in no time, and a folder of results."""

import sys
from pathlib import Path

import numpy as np
import pytest

from shiftbook.golden.model.network import Input, Network
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.model.weights import Requantize, Weights
from shiftbook.golden.storage.checkpoint import save
from tests.shiftbook.results import RESULTS, write

CLASSES = ("bird", "cat", "dog")
IMAGES = 6


@pytest.fixture(autouse=True)
def no_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python leaves nothing beside a user's model, so that tests see what a command leaves."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


def conv(name: str, source: str, shape: tuple[int, int, int, int], seed: int, **options: object) -> Conv:
    """Small powers of two and a weight that the focused lane cannot represent, half of them pruned."""
    rng = np.random.default_rng(seed)
    integers = rng.choice(np.array([-100, -4, -2, -1, 1, 2, 4, 64], np.int16), shape)
    integers[rng.random(shape) < 0.5] = 0
    codebook = np.unique(integers[integers != 0])
    outputs = shape[0]
    requantize = Requantize(
        bias=rng.integers(-100, 100, outputs),
        multiplier=rng.integers(20, 60, outputs),
        shift=np.full(outputs, 12),
    )
    return Conv(name, source, Weights(integers, codebook, "shift", gapless=False), requantize, **options)


@pytest.fixture(scope="session")
def network() -> Network:
    one = np.ones(1, np.int64)
    return Network(
        input=Input("input", (8, 8, 1), Requantize(bias=0 * one, multiplier=one, shift=0 * one)),
        nodes=(
            conv("conv1", "input", (4, 3, 3, 1), 1, stride=(2, 2), padding=(1, 0, 1, 0)),
            conv("head", "conv1", (3, 4, 4, 4), 2),
        ),
        slots=4,
        classes=CLASSES,
        facts={"scheme": "shift"},
    )


@pytest.fixture
def checkpoint(network: Network, tmp_path: Path) -> Path:
    path = tmp_path / "small.ckpt"
    save(network, path)
    return path


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (IMAGES, 8, 8, 1), np.uint8)


@pytest.fixture
def data(images: np.ndarray, tmp_path: Path) -> Path:
    path = tmp_path / "images.npz"
    np.savez(path, x=images, y=np.arange(IMAGES) % 3)
    return path


@pytest.fixture
def everything(tmp_path: Path) -> Path:
    """A folder with a result of every command."""
    return write(tmp_path / "in", **{f"f{i}": make() for i, make in enumerate(RESULTS.values())})
