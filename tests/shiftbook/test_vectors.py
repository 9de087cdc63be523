"""Codebook networks through all commands: every convolution on the RTL, on the engine of plain schemes."""

import json

import numpy as np
import pytest
import torch

from shiftbook import cli
from shiftbook.frontend.zoo.digits import Digits
from shiftbook.frontend.zoo.resnet20 import ResNet20
from tests.frontend.models import lively


def run_on_rtl(source, model, images, scheme, tmp_path) -> dict:
    """Compress a network with drawn weights and run it; the report of `shiftbook run`."""
    weights, data = tmp_path / "weights.pt", tmp_path / "images.npz"
    torch.save(lively(model).state_dict(), weights)
    np.savez(data, x=images)
    path, report = tmp_path / "net.ckpt", tmp_path / "run.json"
    common = ["--weights", str(weights), "--calibration", str(data), "--scheme", scheme]
    assert cli.main(["compress", source, "-o", str(path), *common]) == 0
    arguments = ["--data", str(data), "--backend", "rtl", "--limit", "1", "--json", str(report)]
    assert cli.main(["run", str(path), *arguments]) == 0
    return json.loads(report.read_text())


@pytest.mark.parametrize(
    "scheme", ["additive", *(pytest.param(s, marks=pytest.mark.slow) for s in ("product", "kernel"))]
)
def test_digits(scheme, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)
    report = run_on_rtl("zoo:digits", Digits(), images, scheme, tmp_path)
    assert report["mismatches"] == 0
    assert len(report["layers"]) == 7


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["additive", "product", "kernel"])
def test_all_of_resnet20(scheme, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)
    report = run_on_rtl("zoo:resnet20", ResNet20(), images, scheme, tmp_path)
    assert report["mismatches"] == 0
    assert report["compared"] == 203_850  # every tensor: the input's, and all layers' with their residuals
    assert len(report["layers"]) == 24
