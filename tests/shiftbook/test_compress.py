"""`shiftbook compress` on a user's own model file, and input that it must refuse."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import get_type_hints

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from shiftbook import cli
from shiftbook.commands.compress import compress
from shiftbook.frontend import schemes
from shiftbook.frontend.training.finetune import FineTuning
from shiftbook.frontend.zoo import ENTRIES
from shiftbook.golden.spec import DEFAULT
from shiftbook.golden.storage.checkpoint import load
from tests.shiftbook.test_inspect import refused

MODEL = """
import torch
from torch import nn

class Head(nn.Linear):
    pass

def make(channels=4):
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
        nn.Conv2d(channels, channels, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * channels, 3),
    )

def wide():
    model = make(64)
    nn.init.constant_(model[3].weight, 1.0)
    return model

def softmax():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Softmax(1), nn.Flatten(), nn.Linear(144, 3))

def list_of_layers():
    return [nn.Conv2d(1, 4, 3)]
"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(MODEL)
    return path


@pytest.fixture
def inputs(model, data, tmp_path):
    """Arguments that work; what is given after them overrides them."""
    return ["compress", f"{model}:make", "--data", str(data), "-o", str(tmp_path / "net.ckpt")]


def refuse(capsys, tmp_path, arguments: list) -> str:
    """The error's line; nothing may be left behind."""
    before = sorted(tmp_path.iterdir())
    message = refused(capsys, [str(argument) for argument in arguments])
    assert sorted(tmp_path.iterdir()) == before
    return message


FEW = ["--dim", "3", "--codewords", "8"]


@pytest.mark.parametrize(
    ("scheme", "more"),
    [
        ("focused", []),
        ("shift", []),
        ("int8", []),
        ("additive", [*FEW, "--terms", "2", "--importance", "--noise", "0.5"]),
        ("product", [*FEW, "--per-layer"]),
        ("kernel", ["--codewords", "8", "--bits", "4"]),
    ],
)
def test_checkpoint_does_what_compress_said(scheme, more, inputs, data, tmp_path, capsys, monkeypatch):
    report = tmp_path / "compress.json"
    options = ["--scheme", scheme, "--density", "0.5", "--epochs", "1", *more, "--json", str(report)]
    assert cli.main([*inputs, *options]) == 0
    said = json.loads(report.read_text())
    assert (said["scheme"], said["density"]) == (scheme, 0.5)
    assert 0 <= said["accuracy"] <= 1
    assert f"ratio {said['ratio']:.2f}x" in capsys.readouterr().out
    sizes, run = tmp_path / "sizes.json", tmp_path / "run.json"
    assert cli.main(["inspect", said["checkpoint"], "--json", str(sizes)]) == 0
    assert json.loads(sizes.read_text())["ratio"] == said["ratio"]
    (row,) = compared(said["checkpoint"], tmp_path, monkeypatch)
    assert row["ratio"] == said["ratio"]
    assert f" {said['ratio']:.2f}x " in capsys.readouterr().out.splitlines()[-1]
    assert cli.main(["run", said["checkpoint"], "--data", str(data), "--json", str(run)]) == 0
    assert json.loads(run.read_text())["images"] == 6


def compared(path: str, tmp_path: Path, monkeypatch) -> list[dict[str, object]]:
    """What compare says of a checkpoint; no engine is synthesized."""
    unknown = dict.fromkeys(("whole_ge", "accelerator_ge", "accelerator_whole_ge", "whole_area", "delay"))
    engine = SimpleNamespace(total_ge=1.0, memory_bits=1, spec=DEFAULT, **unknown)
    monkeypatch.setattr("shiftbook.commands.compare._gates", lambda *_: {"shift": engine})
    table = tmp_path / "compare.json"
    assert cli.main(["compare", path, "--engines", "shift", "--json", str(table)]) == 0
    return json.loads(table.read_text())["rows"]


TOY = """
from shiftbook.frontend.schemes.shift import Shift


class Toy(Shift):
    name = "toy"
    help = "powers of two that play"

    def __init__(self, bits: int = 3) -> None:
        super().__init__(bits)
"""


def test_a_scheme_is_a_file(inputs, tmp_path, capsys, monkeypatch):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "toy.py").write_text(TOY)
    monkeypatch.setattr(schemes, "__path__", [*schemes.__path__, str(tmp_path / "more")])
    assert cli.main(["compress", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "toy: powers of two that play." in shown
    assert "3 (toy)" in shown
    assert cli.main([*inputs, "--scheme", "toy"]) == 0
    facts = load(tmp_path / "net.ckpt").facts
    assert (facts["scheme"], facts["bits"], facts["density"]) == ("toy", 3, 1.0)
    capsys.readouterr()
    message = refused(capsys, [*inputs, "--scheme", "shift", "--cores", "toy"])
    assert message == "--cores is for the scheme 'tensor-train', not for 'shift'"


def test_the_advice_on_codewords_can_be_taken(inputs, tmp_path, capsys):
    words = [*inputs, "--scheme", "additive", "--dim", "3"]
    advised = re.search(r"take at most (\d+) codewords", refuse(capsys, tmp_path, words))[1]
    assert cli.main([*words, "--codewords", advised]) == 0


def test_help_has_a_default_for_every_option_in_its_panel(capsys):
    assert cli.main(["compress", "--help"]) == 0
    text = capsys.readouterr().out
    panels = re.findall(r"^(\w[\w ]*):$", text.split("[required]", 1)[1], re.MULTILINE)
    assert panels == ["Data", "Compression", "Training", "Vectors", "Tensor train", "Output", "Options"]
    options = re.split(r"\n  (?=-)", text.split("\nData:")[1].split("\nOptions:")[0])[1:]
    assert len(options) == 43
    for option in options:
        assert re.search(r"[Dd]efault:|\[required\]", option), option


def test_same_seed_gives_the_same_file(inputs, tmp_path):
    options = ["--epochs", "1", "--density", "0.5", "--seed", "7"]
    assert cli.main([*inputs, *options]) == 0
    first = (tmp_path / "net.ckpt").read_bytes()
    assert cli.main([*inputs, *options]) == 0
    assert (tmp_path / "net.ckpt").read_bytes() == first


def test_interrupted_training_goes_on_to_the_same_file(inputs, tmp_path, capsys, monkeypatch):
    log = tmp_path / "log.jsonl"
    options = ["--epochs", "3", "--density", "0.5", "--log", str(log)]
    assert cli.main([*inputs, *options]) == 0
    expected = (tmp_path / "net.ckpt").read_bytes()
    lines = [without_seconds(line) for line in log.read_text().splitlines()]
    for path in (tmp_path / "net.ckpt", log):
        path.unlink()

    run_epoch = FineTuning.run_epoch

    def interrupt(self, progress):
        if self.epoch == 2:
            raise KeyboardInterrupt
        return run_epoch(self, progress)

    with monkeypatch.context() as patch:
        patch.setattr(FineTuning, "run_epoch", interrupt)
        assert cli.main([*inputs, *options]) == cli.INTERRUPTED
    state = tmp_path / "net.ckpt.training"
    assert capsys.readouterr().err.endswith(f"interrupted: the same command goes on from {state}\n")
    assert state.exists()
    assert not (tmp_path / "net.ckpt").exists()

    message = refuse(capsys, tmp_path, [*inputs, *options, "--seed", "1"])
    assert message == f"{state} belongs to another run: its seed is 0, not 1; remove it to start anew"
    assert cli.main([*inputs, *options]) == 0
    assert (tmp_path / "net.ckpt").read_bytes() == expected
    assert [without_seconds(line) for line in log.read_text().splitlines()] == lines
    assert not state.exists()


def without_seconds(line: str) -> dict[str, object]:
    return {name: value for name, value in json.loads(line).items() if name != "seconds"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scheme", "additive", "--dim", "40"], "dim must be in 1..16, not 40"),
        (["--scheme", "additive", "--dim", "16"], "no layer has room for vectors of 16 weights in a slot"),
        (["--scheme", "additive", "--dim", "3"], "48 vectors are too few for 256 codewords: take at most 32"),
        (
            ["--scheme", "additive", "--codewords", "100"],
            "codewords must be a power of two in 2..256, not 100",
        ),
        (["--scheme", "shift", "--dim", "4"], "scheme 'shift' has no option dim: it belongs to additive,"),
        (["--noise", "0.5"], "noise is for schemes with vectors, not for 'focused'"),
        (["--importance"], "importance is for schemes with vectors, not for 'focused'"),
        (["--scheme", "additive", "--noise", "0"], "noise must be in (0, 1], not 0.0"),
    ],
)
def test_options_of_vectors_that_do_not_fit(options, message, inputs, tmp_path, capsys):
    assert refuse(capsys, tmp_path, [*inputs, *options]).startswith(message)


def test_weights_of_zeros_become_zeros(model, inputs, data, tmp_path):
    namespace: dict = {}
    exec(MODEL, namespace)
    state = {
        name: value * ("3.weight" not in name) for name, value in namespace["make"]().state_dict().items()
    }
    save_file(state, tmp_path / "zeros.safetensors")
    options = ["--scheme", "additive", *FEW, "--weights", str(tmp_path / "zeros.safetensors")]
    assert cli.main([*inputs, *options]) == 0
    sizes = tmp_path / "sizes.json"
    assert cli.main(["inspect", str(tmp_path / "net.ckpt"), "--json", str(sizes)]) == 0
    assert [layer["nonzero"] > 0 for layer in json.loads(sizes.read_text())["layers"]] == [True, False, True]


def test_diverged_training_leaves_nothing(inputs, tmp_path, capsys):
    message = refuse(capsys, tmp_path, [*inputs, "--epochs", "9", "--rate", "1e30"])
    assert "training diverged" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite(value, model, inputs, tmp_path, capsys):
    namespace: dict = {}
    exec(MODEL, namespace)
    state = namespace["make"]().state_dict()
    state["3.weight"][1, 2, 0, 0] = value
    save_file(state, tmp_path / "bad.safetensors")
    message = refuse(capsys, tmp_path, [*inputs, "--weights", tmp_path / "bad.safetensors"])
    assert message == "3.weight has 1 NaN or infinite values: weights must be finite"


@pytest.mark.parametrize("content", [b"", b"not weights", b"\x80\x04N."])
@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_weights_that_are_none(content, suffix, inputs, tmp_path, capsys):
    path = tmp_path / f"bad.{suffix}"
    path.write_bytes(content)
    message = refuse(capsys, tmp_path, [*inputs, "--weights", path])
    assert f"bad.{suffix}" in message


def test_pickled_code_is_not_run(inputs, tmp_path, capsys):
    torch.save({"x": print}, tmp_path / "evil.pt")
    assert "state dict" in refuse(capsys, tmp_path, [*inputs, "--weights", tmp_path / "evil.pt"])


@pytest.mark.parametrize("density", ["0", "-0.1", "1.01", "nan", "inf"])
def test_density_outside_its_range(density, inputs, tmp_path, capsys):
    message = refuse(capsys, tmp_path, [*inputs, "--density", density])
    assert message.startswith("density must be in (0, 1], not ")


def test_empty_data(inputs, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert "no images" in refuse(capsys, tmp_path, [*inputs, "--data", tmp_path / "empty"])


def test_images_of_the_wrong_shape(inputs, tmp_path, capsys):
    np.savez(tmp_path / "x.npz", x=np.zeros((8, 8, 8, 3), np.uint8), y=np.arange(8) % 3)
    assert "8x8 images of 3 channels" in refuse(capsys, tmp_path, [*inputs, "--data", tmp_path / "x.npz"])


def test_layer_whose_accumulator_could_overflow(model, inputs, tmp_path, capsys):
    inputs[1] = f"{model}:wide"
    message = refuse(capsys, tmp_path, [*inputs, "--density", "1", "--scheme", "shift"])
    assert "layer 3: the accumulator" in message, "the layer is named"


def test_unsupported_operation_is_named(model, inputs, tmp_path, capsys):
    inputs[1] = f"{model}:softmax"
    assert "Softmax" in refuse(capsys, tmp_path, inputs)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("zoo:none", "none"),
        (
            "net.py",
            "the model must be zoo:NAME, path/to/file.py:factory, or a .onnx or .pt2 file, not 'net.py'",
        ),
        ("nowhere.py:make", "there is no file nowhere.py"),
        ("{model}:lost", "has no 'lost'"),
        ("{model}:list_of_layers", "must return a torch.nn.Module, not list"),
    ],
)
def test_source_that_is_no_model(source, message, model, inputs, tmp_path, capsys):
    inputs[1] = source.format(model=model)
    assert message in refuse(capsys, tmp_path, inputs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "{here}/no/net.ckpt"], "there is no folder"),
        (["-o", "{here}"], "it is a folder"),
        (["--json", "{here}/no/x.json"], "there is no folder"),
        (["--mean", "a,b"], "mean must be numbers between commas such as .5,.5,.5, not 'a,b'"),
        (["--mean", "0.1,0.2"], "mean must be 1 numbers, one for each channel, not [0.1, 0.2]"),
        (["--std", "0"], "std must be positive"),
        (["--mean", "nan"], "mean must be finite numbers, not [nan]"),
        (["--epochs", "-1"], "epochs must be at least 0, not -1"),
        (["--bits", "17"], "bits of scheme 'focused' must be in"),
        (
            ["--scheme", "ternary"],
            "Invalid value for '--scheme': 'ternary' is no scheme: choose of additive, ",
        ),
        (["--cores", "tensor-train"], "Invalid value for '--cores': 'tensor-train' is no scheme"),
        (["--rate", "0"], "rate must be positive and finite, not 0.0"),
        (["--rate", "nan"], "rate must be positive and finite, not nan"),
        (["--batch", "0"], "batch must be at least 1, not 0"),
        (["--slots", "0"], "slots must be an integer in 1..16, not 0"),
    ],
)
def test_options_that_make_no_sense(options, message, inputs, tmp_path, capsys):
    options = [option.format(here=tmp_path) for option in options]
    assert message in refuse(capsys, tmp_path, [*inputs, *options])


def test_help_names_every_network_of_the_zoo():
    source = get_type_hints(compress, include_extras=True)["source"]
    missing = [name for name in ENTRIES if f"zoo:{name}" not in source.__metadata__[0].help]
    assert not missing


def test_photographs_are_resized_and_cut(inputs, model, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 12, 30), np.uint8)
    for number, image in enumerate(pixels):
        (tmp_path / "photos" / f"{number}_x").mkdir(parents=True)
        for name in "ab":
            Image.fromarray(image).save(tmp_path / "photos" / f"{number}_x" / f"{name}.png")
    options = ["--data", str(tmp_path / "photos"), "--resize", "10", "--crop", "8", "--scheme", "int8"]
    assert cli.main([*inputs, *options]) == 0
    network = load(tmp_path / "net.ckpt")
    assert network.input.shape == (8, 8, 1)
    assert (network.facts["mean"], network.facts["std"]) == ([0.0], [1.0])


def test_small_batches_make_more_steps(inputs, tmp_path):
    steps = {}
    for batch in ("2", "1"):
        log = tmp_path / f"{batch}.jsonl"
        assert cli.main([*inputs, "--epochs", "1", "--batch", batch, "--log", str(log)]) == 0
        steps[batch] = json.loads(log.read_text())["rate"]
    assert steps["1"] < steps["2"], "the rate of the last step is lower where there are more of them"
