"""`sb.sweep`: a study from a program."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import shiftbook as sb

NET = """
import torch
from torch import nn


def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(128, 4))
"""


@pytest.fixture
def values(tmp_path: Path) -> dict[str, object]:
    (tmp_path / "net.py").write_text(NET)
    x = np.random.default_rng(0).integers(0, 256, (80, 8, 8, 1), np.uint8)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(80) % 4)
    return {
        "network": {"n": {"source": f"{tmp_path}/net.py:make", "data": str(tmp_path / "x.npz")}},
        "compression": [{"scheme": "shift", "density": [0.5, 1.0]}],
        "engine": [{"lanes": "2x2", "slots": 1, "preset": ["shift", "focused"]}],
        "objectives": {"accuracy": "max", "gate_cycles": "min"},
        "constraints": {"ge": {"at_most": 10**6}},
        "check": {"rtl_every": 2},
    }


@pytest.mark.slow
def test_a_study_with_gates_and_rtl(values: dict[str, object], tmp_path: Path) -> None:
    study = sb.sweep(values, tmp_path / "out")
    good, other = study.points[0], study.points[2]
    spec = sb.PRESETS["shift"].on_grid(2, 2).given(slots=1)
    found = good["values"]
    assert found["ge"] == other["values"]["ge"] == sb.gates(spec).total_ge
    assert found["gate_cycles"] == pytest.approx(found["ge"] * _cycles(values, spec, tmp_path), rel=1e-12)
    assert good["compared"] > 0
    assert len(study.failed) == 2
    assert study.front
    assert study.to_frame()["accuracy"].notna().all()


def _cycles(values: dict[str, object], spec: sb.Spec, folder: Path) -> int:
    net = sb.compress(f"{folder}/net.py:make", folder / "x.npz", scheme="shift", density=0.5, slots=1)
    return net.cycles(spec).total


def test_rows_and_front(values: dict[str, object], tmp_path: Path) -> None:
    cheap = {**values, "objectives": {"accuracy": "max", "cycles": "min"}, "constraints": {}, "check": {}}
    study = sb.sweep(cheap, tmp_path / "out")
    assert study.computed > 0
    assert sb.sweep(cheap, tmp_path / "out").computed == 0
    rows = study.rows()
    assert len(rows) == len(study.points) == 4
    assert list(rows[0])[:4] == ["number", "network", "compression.scheme", "compression.density"]
    assert len(study.hypervolume) == 4
    assert (
        repr(study) == f"Sweep(study: 4 points, {len(study.front)} on the front, {len(study.failed)} failed)"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": -1}, "workers must be an integer of at least 0, not -1"),
        ({"store": 3}, r"store must be a text or None, not 3 \(int\)"),
        (
            {"workers": 2, "scheduler": "tcp://h:1"},
            "workers=2 are of a cluster on this machine: leave them or ",
        ),
    ],
)
def test_bad_arguments(options: dict[str, object], message: str, values, tmp_path: Path) -> None:
    with pytest.raises(sb.ShiftbookError, match=f"^{message}"):
        sb.sweep(values, tmp_path / "out", **options)


def test_what_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(sb.ShiftbookError, match=r"^study must be a path, not 3 \(int\)$"):
        sb.sweep(3, tmp_path)
    with pytest.raises(
        sb.ShiftbookError, match=r"^the study: network is missing; docs/sweep\.md says what it is$"
    ):
        sb.sweep({"objectives": {"accuracy": "max"}}, tmp_path)
