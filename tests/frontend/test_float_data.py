"""Networks for spectrograms and sensor windows: compressed on floats, and run on floats."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

import shiftbook as sb
from shiftbook import cli
from shiftbook.frontend.calibration_data import gather
from shiftbook.frontend.compress import compress
from shiftbook.frontend.data.dataset import from_arrays
from shiftbook.frontend.data.network_input import for_network
from shiftbook.frontend.data.scale import InputScale
from shiftbook.frontend.importing.given import GivenModel
from shiftbook.frontend.importing.load import Source
from shiftbook.frontend.importing.normalization import normalization_for
from shiftbook.frontend.options.compression import CompressionOptions
from shiftbook.frontend.options.data import DataOptions
from shiftbook.frontend.options.training import TrainingOptions
from shiftbook.golden.model import executor
from shiftbook.golden.storage import checkpoint
from tests.frontend.models import lively
from tests.shiftbook.api.test_compare import priced

SMALL = sb.Spec().on_grid(4, 4)
INT8 = CompressionOptions(scheme="int8", density=1.0)


SOURCE = """
from torch import nn

def make():
    first, second = nn.Conv2d(3, 6, (1, 3), 2, (0, 1)), nn.Conv2d(6, 6, (1, 3), 2, (0, 1))
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Flatten(), nn.Linear(18, 4))
"""
"""A file that makes the same as `network`, without its weights."""


def network() -> nn.Sequential:
    """Takes signals of 12 steps and 3 channels."""
    first, second = nn.Conv2d(3, 6, (1, 3), 2, (0, 1)), nn.Conv2d(6, 6, (1, 3), 2, (0, 1))
    return lively(nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Flatten(), nn.Linear(18, 4)))


def signals(count: int = 120, seed: int = 0) -> np.ndarray:
    """[N, L, C] of three sensors with their own units."""
    rng = np.random.default_rng(seed)
    return (rng.normal(0, 1, (count, 12, 3)) * [2, 0.3, 5] + [1, 0, -2]).astype(np.float32)


def answers(model: nn.Module, values: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model(torch.from_numpy(values).float().permute(0, 2, 1)[:, :, None]).argmax(1).numpy()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "x.npz"
    np.savez(path, x=signals(), y=np.eye(4)[answers(network(), signals())])
    return path


@pytest.fixture(scope="module")
def path(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("float") / "net.ckpt"
    report = compress(GivenModel(network()), path, data=DataOptions(images=data), compression=INT8)
    assert report.float_accuracy > 0.9, "the labels are the network's own answers, but for 8 bits of input"
    assert report.accuracy > 0.85
    return path


def test_the_checkpoint_says_how_floats_become_bytes(path):
    found = checkpoint.load(path)
    scale = InputScale.of(found.facts, 3)
    span = np.ptp(signals(), axis=(0, 1)) / 255
    assert np.allclose(scale.scale, span, rtol=0.3)
    values = from_arrays(signals(), None)
    raw = for_network(values, found)
    assert np.array_equal(raw.images, scale.to_bytes(signals()[:, None]))


def test_run_takes_floats_in_python_and_on_the_command_line(path, data, tmp_path):
    net = sb.load(path)
    found = net.run(data)
    assert len(found) == 120
    assert found.accuracy > 0.9
    for form in (signals(), signals()[:, None], signals().astype(np.float64)):
        assert np.array_equal(net.run(form).scores, found.scores)
    arguments = ["run", str(path), "--data", str(data), "--json", str(tmp_path / "run.json")]
    assert cli.main(arguments) == 0
    report = json.loads((tmp_path / "run.json").read_text())
    assert report["predictions"] == found.predictions.tolist()
    assert report["accuracy"] == found.accuracy


def test_the_rtl_takes_floats(path, data):
    net = sb.load(path)
    found = net.simulate(data, SMALL, limit=1)
    assert (found.mismatches, len(found.answers)) == (0, 1)
    assert np.array_equal(found.answers.scores, net.run(data, limit=1).scores)


def test_agreement_is_measured_on_floats(path, data, tmp_path):
    (tmp_path / "net.py").write_text(SOURCE)
    torch.save(network().state_dict(), tmp_path / "w.pt")
    arguments = ["run", path, "--data", data, "--json", tmp_path / "run.json"]
    arguments += ["--float", f"{tmp_path}/net.py:make", "--weights", tmp_path / "w.pt"]
    assert cli.main(list(map(str, arguments))) == 0
    report = json.loads((tmp_path / "run.json").read_text())
    assert report["float_accuracy"] > 0.95, "floats of 8 bits are what the float network sees"
    assert report["agreement"] > 0.9


def test_compare_takes_floats(path, data):
    row = sb.compare([path], data=data, gates=[priced(SMALL, "small", 1.0)]).checkpoints[0]
    assert row.accuracy == sb.load(path).run(data).accuracy


def test_one_channel_goes_through_the_first_requantizer_unchanged(tmp_path):
    torch.manual_seed(0)
    model = lively(nn.Sequential(nn.Conv2d(1, 4, (1, 3), padding=(0, 1)), nn.Flatten(), nn.Linear(48, 3)))
    values = signals()[:, :, 0]
    report = compress(
        GivenModel(model),
        tmp_path / "net.ckpt",
        data=DataOptions(images=from_arrays(values, None)),
        compression=INT8,
    )
    net = report.network
    raw = for_network(from_arrays(values, None), net).images
    assert raw.shape == (120, 1, 12, 1)
    assert np.array_equal(executor.run(net, raw, keep=True).tensors["input"], raw)
    scale = InputScale.of(net.facts, 1)
    assert net.scales["input"] == pytest.approx(scale.scale[0], rel=1e-12)
    assert net.input.requantize.zero_point == scale.zero_point[0]


def test_the_network_sees_the_values_less_the_users_mean():
    values = signals()[:, None].astype(np.float64)
    mean, std = (1.0, 0.0, -2.0), (2.0, 0.3, 5.0)
    scale = InputScale.spanning(values, mean)
    found = normalization_for(Source(nn.Identity(), mean=(0.5,) * 3), 3, mean, std, scale)
    seen = (scale.to_bytes(values) / 255 - found.mean) / found.std
    assert np.abs(seen - (values - mean) / std).max() <= 1.01 * (np.array(scale.scale) / std).max()
    plain = normalization_for(Source(nn.Identity(), mean=(0.5,) * 3), 3, None, None, scale)
    seen = (scale.to_bytes(values) / 255 - plain.mean) / plain.std
    assert (np.abs(seen - values) <= 1.01 * np.array(scale.scale)).all(), "not the usual one of colours"


def test_fine_tuning_on_floats(data, tmp_path):
    report = compress(
        GivenModel(network()),
        tmp_path / "net.ckpt",
        data=DataOptions(images=data),
        compression=CompressionOptions(scheme="focused", density=0.7),
        training=TrainingOptions(epochs=2),
    )
    assert report.accuracy is not None
    assert sb.load(tmp_path / "net.ckpt").run(data).accuracy > 0.3


def test_the_training_part_sets_the_scale():
    values = signals()
    data = gather(
        Source(network()), DataOptions(images=from_arrays(values, np.arange(120) % 4)), 1, 0, lambda *_: None
    )
    other = gather(
        Source(network()),
        DataOptions(
            images=from_arrays(values, np.arange(120) % 4), calibration=from_arrays(9 * values, None)
        ),
        1,
        0,
        lambda *_: None,
    )
    assert data.scale == other.scale
    assert data.train.images.dtype == data.test.images.dtype == other.other.images.dtype == np.uint8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x: np.zeros((4, 1, 12, 3), np.uint8),
            r"x must be floats .*, not uint8 \[4, 1, 12, 3\]: the netw",
        ),
        (lambda x: x[:, :9], "the images are 1x9x3, but the network takes 1x12x3"),
        (lambda x: x.transpose(0, 2, 1), r"it looks like \[N, C, L\]: give x.transpose\(0, 2, 1\)"),
        (lambda x: np.where(x == x[5, 5, 2], np.nan, x), r"but x\[5, 0, 5, 2\] as \[N, H, W, C\] is nan"),
    ],
)
def test_other_data_is_refused_by_a_network_for_floats(path, change, message):
    with pytest.raises(sb.ShiftbookError, match=message) as caught:
        sb.load(path).run(change(signals()))
    assert "\n" not in str(caught.value)


def test_floats_and_pixels_do_not_mix():
    pixels = from_arrays(np.zeros((9, 1, 12, 3), np.uint8), None)
    options = DataOptions(images=from_arrays(signals(), None), calibration=pixels)
    with pytest.raises(sb.ShiftbookError, match="must both be floats or both pixels, not float32 and uint8"):
        gather(Source(network()), options, 0, 0, lambda *_: None)
    shorter = DataOptions(
        images=from_arrays(signals(), None), calibration=from_arrays(signals()[:, :9], None)
    )
    with pytest.raises(sb.ShiftbookError, match="the images are 1x9x3, but the network takes 1x12x3"):
        gather(Source(network()), shorter, 0, 0, lambda *_: None)
    few = DataOptions(images=from_arrays(signals(), None), mean=(0.0,))
    with pytest.raises(sb.ShiftbookError, match="mean must be 3 numbers, one for each channel"):
        gather(Source(network()), few, 0, 0, lambda *_: None)
