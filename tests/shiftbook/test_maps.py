"""Networks that give maps or several tensors, from the command line and from Python."""

import numpy as np
import pytest
import torch
from torch import nn

import shiftbook as sb
from shiftbook import cli
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model import executor
from shiftbook.golden.model.network import zero_points
from shiftbook.golden.storage.checkpoint import load
from shiftbook.saved_results import save_results
from tests.shiftbook.test_inspect import refused
from tests.shiftbook.test_run import run_json

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(4, 2, 2, 2)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        y = self.down(x).relu()
        return self.up(y), self.head(y.mean((2, 3)))

def make():
    torch.manual_seed(1)
    return Net()
"""

LABELLED = {"x": np.random.default_rng(0).integers(0, 256, (24, 8, 8, 1), np.uint8), "y": np.arange(24) % 3}


@pytest.fixture
def made(tmp_path):
    """A checkpoint of a network of a map and of scores, and its data."""
    (tmp_path / "net.py").write_text(NET)
    np.savez(tmp_path / "data.npz", **LABELLED)
    options = ["--data", str(tmp_path / "data.npz"), "--mean", ".4", "--std", ".3", "--scheme", "int8"]
    words = ["compress", f"{tmp_path}/net.py:make", "-o", str(tmp_path / "net.ckpt"), *options]
    assert cli.main([*words, "--density", "1"]) == 0
    return tmp_path / "net.ckpt", tmp_path / "data.npz", words


@pytest.mark.parametrize("backend", ["golden", "rtl"])
def test_results_are_saved_by_their_names(made, backend, tmp_path, capsys):
    path, data, _ = made
    arguments = [path, "--data", data, "--save", tmp_path / "out.npz", "--backend", backend, "--limit", "2"]
    report = run_json([*arguments, "--lanes", "4x4"], tmp_path)
    assert (report["accuracy"], report["predictions"]) == (None, [])
    assert report["results"] == {"up": [8, 8, 2], "head": [1, 1, 3]}
    assert "results up 8x8x2, head 1x1x3" in capsys.readouterr().out
    network = load(path)
    saved = dict(np.load(tmp_path / "out.npz"))
    images = sb.images(data, limit=2).images
    for name, tensor in executor.run(network, images).results.items():
        assert np.array_equal(saved[name], tensor)
        assert saved[f"{name}.scale"] == network.scales[name]
        assert saved[f"{name}.zero_point"] == zero_points(network)[name]
    assert len(saved) == 6


def test_real_values_are_those_of_the_float_network(made, tmp_path):
    path, data, _ = made
    assert cli.main(["run", str(path), "--data", str(data), "--save", str(tmp_path / "out.npz")]) == 0
    saved = np.load(tmp_path / "out.npz")
    space: dict = {}
    exec(NET, space)
    images = torch.from_numpy(sb.images(data).images).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        wanted = space["make"]()((images - 0.4) / 0.3)
    for name, float_result in zip(("up", "head"), wanted, strict=True):
        real = saved[f"{name}.scale"] * (saved[name].astype(float) - saved[f"{name}.zero_point"])
        maps = float_result if float_result.dim() == 4 else float_result[:, :, None, None]
        pixels = maps.permute(0, 2, 3, 1).numpy()
        assert np.corrcoef(real.ravel(), pixels.ravel())[0, 1] > 0.99
        assert np.abs(real - pixels).max() < 6 * saved[f"{name}.scale"]


def test_training_and_comparing_need_class_scores(made, tmp_path, capsys):
    path, data, words = made
    capsys.readouterr()
    message = refused(capsys, [*words, "--epochs", "2"])
    assert (
        message == "fine-tuning needs class scores, and the network gives 2 tensors: leave out epochs, not 2"
    )
    source = words[1]
    message = refused(capsys, ["run", str(path), "--data", str(data), "--float", source])
    assert message == "answers are compared by class scores, and the network gives maps"
    message = refused(capsys, ["run", str(path), "--explain", "--save", str(tmp_path / "out.npz")])
    assert message == "--save needs images: add --data D"


def test_from_python():
    class Maps(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 3, 3, padding=1)

        def forward(self, x):
            return self.conv(x)

    found = sb.compress(Maps(), LABELLED["x"], scheme="int8", density=1, mean=[0.4], std=[0.3])
    answers = found.run(LABELLED["x"])
    assert answers.outputs["conv"].shape == (24, 8, 8, 3)
    assert (answers.scores.shape, len(answers.predictions), answers.accuracy) == ((24, 0), 0, None)
    assert answers.rows() == []


class Named(nn.Module):
    """Two maps, made by layers of the names ``file`` and ``map``, or ``map`` and ``map.scale``."""

    def __init__(self, nested: bool):
        super().__init__()
        self.map = nn.Conv2d(1, 2, 1)
        if nested:
            self.map.add_module("scale", nn.Conv2d(1, 3, 1))
        else:
            self.file = nn.Conv2d(1, 3, 1)

    def forward(self, x):
        return self.map(x), (self.map.scale if hasattr(self.map, "scale") else self.file)(x)


def test_a_result_may_have_the_name_of_an_argument(tmp_path):
    found = sb.compress(Named(nested=False), LABELLED["x"], scheme="int8", density=1)
    results = found.run(LABELLED["x"]).outputs
    save_results(tmp_path / "out.npz", found.network, results)
    saved = dict(np.load(tmp_path / "out.npz"))
    assert set(saved) == {
        f"{name}{fact}" for name in ("map", "file") for fact in ("", ".scale", ".zero_point")
    }
    assert all(np.array_equal(saved[name], results[name]) for name in results)


def test_a_result_named_like_the_scale_of_another_one_is_refused(tmp_path):
    found = sb.compress(Named(nested=True), LABELLED["x"], scheme="int8", density=1)
    results = found.run(LABELLED["x"]).outputs
    assert set(results) == {"map", "map.scale"}
    with pytest.raises(ShiftbookError, match="has the name of a fact of result map"):
        save_results(tmp_path / "out.npz", found.network, results)
    assert not (tmp_path / "out.npz").exists()
