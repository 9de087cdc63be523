"""The options of `shiftbook compress` and `run`, from a program: same names, same defaults, same files."""

from __future__ import annotations

import inspect
import json

import numpy as np
import pytest
from PIL import Image

import shiftbook as sb
from shiftbook import cli
from shiftbook.commands.compress import compress as command
from shiftbook.commands.run import run as run_command

MODEL = """
import torch
from torch import nn

def make():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(256, 3),
    )
"""

RENAMED = {"source": "model", "json_file": None}
"""Options of the command line that have another name in Python, or none: results have to_dict()."""

TRAIN = set(inspect.signature(sb.TensorTrain).parameters)


@pytest.fixture
def source(tmp_path) -> str:
    path = tmp_path / "net.py"
    path.write_text(MODEL)
    return f"{path}:make"


@pytest.fixture
def pixels(tmp_path) -> str:
    path = tmp_path / "pixels.npz"
    rng = np.random.default_rng(3)
    np.savez(path, x=rng.integers(0, 256, (60, 8, 8, 1), np.uint8), y=np.arange(60) % 3)
    return str(path)


@pytest.fixture
def photographs(tmp_path) -> str:
    """A folder of class folders with images of several shapes."""
    rng = np.random.default_rng(4)
    for index in range(30):
        folder = tmp_path / "photographs" / f"class{index % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        shape = (20 + index % 5, 24 - index % 4)
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(folder / f"{index}.png")
    return str(tmp_path / "photographs")


def test_every_option_of_the_command_line_is_an_argument():
    arguments = inspect.signature(sb.compress).parameters
    for name, option in inspect.signature(command).parameters.items():
        known = RENAMED.get(name, name)
        if known is None or known in TRAIN:
            continue
        assert known in arguments
        if known not in ("model", "output"):  # the command line has to write a file
            assert arguments[known].default == option.default, name
    options = set(inspect.signature(command).parameters)
    assert {"ratio", "ranks", "keep_cores"} < TRAIN <= options
    assert {"resize", "crop", "limit", "wave"} < set(inspect.signature(sb.Checkpoint.simulate).parameters)
    assert {"resize", "crop", "limit"} < set(inspect.signature(run_command).parameters)


CASES = {
    "focused": {"epochs": 1, "rate": 0.01, "batch": 16, "density": 0.5, "balance": True, "slots": 2},
    "additive": {"dim": 4, "codewords": 4, "codebooks": 2, "terms": 2, "per_layer": True},
    "product": {"dim": 4, "codewords": 4, "importance": True, "noise": 0.5, "epochs": 1, "end_bits": 5},
    "shift": {"uniform": "first", "density": 0.5},
}


def flags(options: dict[str, object]) -> list[str]:
    """Options as the command line takes them."""
    found = []
    for name, value in options.items():
        found += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return found


@pytest.mark.parametrize("scheme", CASES)
def test_both_ways_make_the_same_file(scheme, source, pixels, tmp_path):
    options = CASES[scheme]
    sb.compress(source, pixels, scheme=scheme, output=tmp_path / "api.ckpt", **options)
    arguments = ["compress", source, "--data", pixels, "--scheme", scheme, *flags(options)]
    assert cli.main([*arguments, "-o", str(tmp_path / "cli.ckpt")]) == 0
    assert (tmp_path / "api.ckpt").read_bytes() == (tmp_path / "cli.ckpt").read_bytes()


def test_kept_weights_and_a_warm_start_make_the_same_file(source, pixels, tmp_path):
    kept, start = {"epochs": 1, "density": 0.8}, {"density": 0.5}
    for way, option in (("api", sb.compress), ("cli", None)):
        weights, file = tmp_path / f"{way}.weights", tmp_path / f"{way}.ckpt"
        if option is not None:
            sb.compress(source, pixels, keep_weights=weights, output=tmp_path / "a.ckpt", **kept)
            # The name of the file that was started from is told in the checkpoint.
            (tmp_path / "start").write_bytes(weights.read_bytes())
            sb.compress(source, pixels, warm_start=tmp_path / "start", output=file, **start)
        else:
            words = ["compress", source, "--data", pixels]
            kept_at = ["--keep-weights", str(weights), "-o", str(tmp_path / "b.ckpt")]
            assert cli.main([*words, *flags(kept), *kept_at]) == 0
            started = ["--warm-start", str(tmp_path / "start"), "-o", str(file)]
            assert cli.main([*words, *flags(start), *started]) == 0
    assert (tmp_path / "api.weights").read_bytes() == (tmp_path / "cli.weights").read_bytes()
    assert (tmp_path / "api.ckpt").read_bytes() == (tmp_path / "cli.ckpt").read_bytes()
    assert sb.load(tmp_path / "api.ckpt").network.facts["warm_start"] == "start"


def test_a_tensor_train_makes_the_same_file(source, pixels, tmp_path):
    train = sb.TensorTrain(
        cores="shift",
        ranks={"3": [4, 6, 5]},
        factors={16: (4, 4)},
        admm_epochs=1,
        core_epochs=1,
        core_rate=0.01,
        updates=2,
        rho=0.1,
        keep_cores=tmp_path / "api.cores",
    )
    log = tmp_path / "log"
    found = sb.compress(source, pixels, scheme=train, density=1, log=log, output=tmp_path / "api.ckpt")
    options = {"cores": "shift", "ranks": "3=4x6x5", "factors": "16=4x4", "admm_epochs": 1, "core_epochs": 1}
    options |= {"core_rate": 0.01, "updates": 2, "rho": 0.1, "density": 1}
    options |= {"keep_cores": tmp_path / "cli.cores", "output": tmp_path / "cli.ckpt"}
    assert cli.main(["compress", source, "--data", pixels, "--scheme", "tensor-train", *flags(options)]) == 0
    assert (tmp_path / "api.ckpt").read_bytes() == (tmp_path / "cli.ckpt").read_bytes()
    assert (tmp_path / "api.cores").read_bytes() == (tmp_path / "cli.cores").read_bytes()
    assert [json.loads(line)["stage"] for line in log.read_text().splitlines()] == ["admm", "cores"]
    assert "3.taps" in [layer.name for layer in found.layers]


def test_its_name_stands_for_its_defaults(source, pixels):
    named = sb.compress(source, pixels, scheme="tensor-train")
    assert named.network.facts["tensor_train"]["ratio"] is None
    given = sb.compress(source, pixels, scheme=sb.TensorTrain(ratio=1.3, search="largest"))
    assert given.network.facts["tensor_train"] == {
        "ratio": 1.3,
        "budget_macs": None,
        "search": "largest",
        "admm_epochs": 0,
        "core_epochs": 0,
        "trained": False,
    }
    assert (named.scheme, given.scheme) == ("tensor-train, int8",) * 2


def test_photographs_get_one_shape(source, photographs, tmp_path, capsys):
    frame = {"resize": 10, "crop": 8}
    found = sb.compress(source, photographs, scheme="int8", output=tmp_path / "api.ckpt", **frame)
    arguments = ["compress", source, "--data", photographs, "--scheme", "int8", *flags(frame)]
    assert cli.main([*arguments, "-o", str(tmp_path / "cli.ckpt")]) == 0
    assert (tmp_path / "api.ckpt").read_bytes() == (tmp_path / "cli.ckpt").read_bytes()
    images = sb.images(photographs, channels=1, **frame)
    assert images.shape == found.input_shape == (8, 8, 1)
    alone = found.run(photographs, **frame)
    assert (alone.scores == found.run(images).scores).all()
    assert len(alone) == 30
    simulated = found.simulate(photographs, sb.Spec().on_grid(4, 4), limit=1, **frame)
    assert simulated.answers.scores.tolist() == found.run(photographs, limit=1, **frame).scores.tolist()
    other = {"resize": 16, "crop": 8}
    assert (found.run(photographs, **other).scores != alone.scores).any()


TRAINS = {
    "cores must be one of .*, not 'best'": {"cores": "best"},
    "cores must be one of .*, not 'tensor-train'": {"cores": "tensor-train"},
    "cores must be a Scheme or one of .*, not 8": {"cores": 8},
    "ratio must be a number above 1, not '2'": {"ratio": "2"},
    "ratio must be above 1 and finite, not 0.5": {"ratio": 0.5},
    "budget_macs must be an integer of at least 1, not 2.5": {"budget_macs": 2.5},
    "give one of ranks, ratio and budget, not ranks and ratio": {"ratio": 2, "ranks": {"3": (2, 2)}},
    r"ranks must be lists of integers as in .*, not '3=2x2'": {"ranks": "3=2x2"},
    r"ranks of 3 must be lists of integers as in .*, not '2x2'": {"ranks": {"3": "2x2"}},
    "ranks of 3 must be an integer of at least 1, not 0": {"ranks": {"3": (2, 0)}},
    "a key of ranks must be as in .*, not 3": {"ranks": {3: (2, 2)}},
    "a key of factors must be as in .*, not '16'": {"factors": {"16": (4, 4)}},
    "search must be one of .*, not 'best'": {"search": "best"},
    "admm_epochs must be an integer of at least 0, not -1": {"admm_epochs": -1},
    "core_rate must be a positive number, not True": {"core_rate": True},
    "rho must be positive and finite, not -1": {"rho": -1},
    "updates must be an integer of at least 1, not None": {"updates": None},
    "keep_cores must be a path, not 3": {"keep_cores": 3},
}


@pytest.mark.parametrize("message", TRAINS)
def test_a_wrong_tensor_train_is_refused_when_it_is_made(message):
    with pytest.raises(sb.ShiftbookError, match=message) as caught:
        sb.TensorTrain(**TRAINS[message])
    assert "\n" not in str(caught.value)


WRONG = {
    "rate must be a positive number, not '0.1'": {"rate": "0.1"},
    "rate must be positive and finite, not -1": {"rate": -1},
    "batch must be an integer of at least 1, not 0": {"batch": 0},
    r"noise must be in \(0, 1\], not 2": {"noise": 2},
    "noise is for schemes with vectors, not for 'focused'": {"noise": 0.5},
    "importance is for schemes with vectors, not for 'focused'": {"importance": True},
    "scheme 'focused' has no option dim: it belongs to additive": {"dim": 4},
    "scheme 'focused' has no option per_layer: it belongs to": {"per_layer": True},
    "resize must be an integer of at least 1, not 0": {"resize": 0},
    "crop must be at most resize, which is 8, not 9": {"resize": 8, "crop": 9},
    "resize and crop are for folders of image files": {"crop": 8},
    "log must be a path, not 3": {"log": 3},
    "cannot write pixels.npz: it is read, too, as .*pixels.npz": {"log": "pixels.npz"},
    "layer 3: ranks must be from 1 up to 16x8": {"scheme": sb.TensorTrain(ranks={"3": (20, 20)})},
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_options_are_refused(message, source, pixels, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = (tmp_path / "pixels.npz").read_bytes()
    with pytest.raises(sb.ShiftbookError, match=message) as caught:
        sb.compress(source, pixels, **WRONG[message])
    assert "\n" not in str(caught.value)
    assert (tmp_path / "pixels.npz").read_bytes() == before
