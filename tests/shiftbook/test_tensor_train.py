"""`shiftbook compress --scheme tensor-train`, and what `shiftbook inspect` then shows."""

import json
import signal
import subprocess
import sys
import time

import pytest

from shiftbook import cli
from shiftbook.golden.storage.checkpoint import load
from tests.shiftbook.test_inspect import refused

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


@pytest.fixture
def inputs(data, tmp_path):
    """Arguments that work; what is given after them overrides them."""
    path = tmp_path / "net.py"
    path.write_text(MODEL)
    output = tmp_path / "net.ckpt"
    arguments = ["compress", f"{path}:make", "--data", str(data), "-o", str(output)]
    return [*arguments, "--scheme", "tensor-train"]


def test_original_layers_are_shown(inputs, tmp_path, capsys):
    log, sizes = tmp_path / "log", tmp_path / "sizes.json"
    train = ["--admm-epochs", "1", "--core-epochs", "1", "--epochs", "1", "--log", str(log)]
    ranks = ["--ranks", "3=4x6x5", "--factors", "16=4x4"]
    assert cli.main([*inputs, *ranks, *train, "--cores", "shift", "--density", "1"]) == 0
    assert "1 layers decomposed: 1." in capsys.readouterr().out
    assert {"stage", "loss", "accuracy"} <= set(json.loads(log.read_text().splitlines()[0]))
    assert sorted(path.name for path in tmp_path.glob("net.ckpt*")) == ["net.ckpt"]
    nodes = {node.name: node for node in load(tmp_path / "net.ckpt").nodes}
    assert list(nodes) == ["0", "3.in1", "3.taps", "3.out1", "3.out2", "6"]
    assert (nodes["3.out2"].copies, nodes["3.taps"].weights.scheme) == (4, "shift")
    assert cli.main(["inspect", str(tmp_path / "net.ckpt"), "--json", str(sizes)]) == 0
    printed = capsys.readouterr().out
    assert "4x4x9x8" in printed
    assert "fewer MACs, " in printed
    (layer,) = json.loads(sizes.read_text())["decomposed"]
    assert (layer["name"], layer["dense_weights"], layer["ranks"]) == ("3", 1152, [4, 6, 5])
    assert layer["weights"] == 8 * 5 + 9 * 5 * 6 + 6 * 4 * 4 + 4 * 4


def test_without_epochs_it_is_tt_svd(inputs, tmp_path, capsys):
    assert cli.main([*inputs, "--ratio", "1.3"]) == 0
    assert "cores in float" in capsys.readouterr().out
    facts = load(tmp_path / "net.ckpt").facts
    assert (facts["scheme"], facts["density"]) == ("int8", 1.0)
    assert facts["tensor_train"] == {
        "ratio": 1.3,
        "budget_macs": None,
        "search": "energy",
        "admm_epochs": 0,
        "core_epochs": 0,
        "trained": False,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scheme", "int8", "--ratio", "2"], "--ratio is for the scheme 'tensor-train', not for 'int8'"),
        (["--scheme", "int8", "--admm-epochs", "2"], "--admm-epochs is for the scheme 'tensor-train'"),
        (["--scheme", "int8", "--budget-macs", "2"], "--budget-macs is for the scheme 'tensor-train'"),
        (["--ratio", "0.5"], "ratio must be above 1 and finite, not 0.5"),
        (["--ranks", "3=20x20"], "layer 3: ranks must be from 1 up to 16x8 for modes 16x9x8, not 20x20"),
        (["--ranks", "3"], "ranks must be given as in layer1.0.conv1=8x6, not '3'"),
        (["--factors", "16=4x5"], "factors must multiply to the channels as in 64=8x8, not '16=4x5'"),
        (["--ratio", "2", "--ranks", "3=2x2"], "give one of ranks, ratio and budget, not ranks and ratio"),
        (["--rho", "-1"], "rho must be positive and finite, not -1.0"),
    ],
)
def test_bad_input_is_one_line(inputs, tmp_path, capsys, options, message):
    assert message in refused(capsys, [*inputs, *options])
    assert not list(tmp_path.glob("net.ckpt*"))


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_costs_an_epoch_at_most(stop, tmp_path):
    """The run that goes on writes the same checkpoint, byte by byte, as one that nothing interrupted."""
    training = ["--admm-epochs", "3", "--core-epochs", "3", "--epochs", "2", "--ratio", "1.5"]
    command = [
        sys.executable,
        "-m",
        "shiftbook",
        "compress",
        "zoo:digits",
        "--scheme",
        "tensor-train",
        *training,
    ]

    def start(name):
        out, log = tmp_path / f"{name}.ckpt", tmp_path / f"{name}.log"
        arguments = [*command, "-o", str(out), "--log", str(log)]
        return subprocess.Popen(arguments, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL), out, log

    whole, wanted, _ = start("whole")
    assert whole.wait() == 0
    process, out, log = start("stopped")
    while not log.exists() or len(log.read_text().splitlines()) < 4:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(stop)
    assert process.wait() != 0
    assert not out.exists()
    again, out, log = start("stopped")
    assert again.wait() == 0
    assert out.read_bytes() == wanted.read_bytes()
    assert len(log.read_text().splitlines()) in (8, 9)  # an epoch is logged before its state is saved
