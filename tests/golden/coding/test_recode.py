"""A network for other weight slots is what compressing for them gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import shiftbook as sb
from shiftbook.golden.coding.recode import for_slots
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import DEFAULT
from shiftbook.golden.storage import checkpoint

NET = """
import torch
from torch import nn


def make():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 4)
    )
"""


@pytest.fixture
def source(tmp_path: Path) -> str:
    (tmp_path / "net.py").write_text(NET)
    return f"{tmp_path}/net.py:make"


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), np.uint8), np.arange(60) % 4


@pytest.mark.parametrize("scheme", ["shift", "int8"])
def test_bytes_are_those_of_compressing(scheme: str, source: str, data, tmp_path: Path) -> None:
    options = {"scheme": scheme, "density": 0.4, "seed": 5}
    four, two = (sb.compress(source, data, slots=slots, **options).network for slots in (4, 2))
    spec = replace(DEFAULT, slots=2)
    checkpoint.save(two, tmp_path / "two.ckpt", spec)
    checkpoint.save(four, tmp_path / "four.ckpt")
    checkpoint.save(for_slots(four, spec), tmp_path / "recoded.ckpt", spec)
    assert (tmp_path / "recoded.ckpt").read_bytes() == (tmp_path / "two.ckpt").read_bytes()
    assert (tmp_path / "recoded.ckpt").read_bytes() != (tmp_path / "four.ckpt").read_bytes()


def test_the_same_slots_change_nothing(source: str, data) -> None:
    network = sb.compress(source, data, scheme="shift").network
    assert for_slots(network, DEFAULT) is network


def test_vectors_are_refused(source: str, data) -> None:
    network = sb.compress(source, data, scheme="product").network
    message = r"^layer 2: its vectors were cut for other slots; compress with slots 2$"
    with pytest.raises(ShiftbookError, match=message):
        for_slots(network, replace(DEFAULT, slots=2))
