"""Files that hold a network and its weights, on the command line and in Python."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import shiftbook as sb
from shiftbook import cli
from shiftbook.files_read import source_file
from tests.frontend.importing.onnx_model.files import model, node, saved
from tests.shiftbook.test_inspect import refused

LABELS = np.arange(40) % 3


@pytest.fixture
def net(tmp_path):
    """Takes grey pixels 0..255."""
    rng = np.random.default_rng(0)
    constants = {
        "scale": np.float32(255),
        "conv.weight": rng.normal(size=(4, 1, 3, 3)).astype(np.float32),
        "fc.weight": rng.normal(size=(3, 4)).astype(np.float32),
    }
    nodes = [
        node("Div", "x scale", "i"),
        node("Conv", "i conv.weight", "c", pads=[1, 1, 1, 1]),
        node("Relu", "c", "r"),
        node("GlobalAveragePool", "r", "g"),
        node("Flatten", "g", "f"),
        node("Gemm", "f fc.weight", "y", transB=1),
    ]
    return saved(model(nodes, ["n", 1, 6, 6], constants), tmp_path)


@pytest.fixture
def images(tmp_path):
    path = tmp_path / "images.npz"
    np.savez(path, x=np.random.default_rng(1).integers(0, 256, (40, 6, 6, 1), np.uint8), y=LABELS)
    return path


RAW = ["--mean", "0", "--std", "0.003921568627451"]


def test_an_onnx_file_is_compressed_and_compared_with_itself(net, images, tmp_path):
    output, result = tmp_path / "net.ckpt", tmp_path / "run.json"
    command = ["compress", str(net), "--data", str(images), "-o", str(output), "--scheme", "int8", *RAW]
    assert cli.main(command) == 0
    found = sb.load(output)
    assert found.network.facts["source"] == str(net)
    assert [layer.name for layer in found.layers] == ["conv", "fc"]
    # What the file divides by is part of the normalization: the first tensor are the pixels.
    assert found.network.scales["input"] == pytest.approx(1 / 255)
    command = ["run", str(output), "--data", str(images), "--float", str(net), "--json", str(result)]
    assert cli.main(command) == 0
    assert json.loads(result.read_text())["agreement"] > 0.9


@pytest.mark.parametrize("form", [str, Path])
def test_python_takes_it_too(form, net, images):
    options = {"scheme": "int8", "mean": [0.0], "std": [1 / 255]}
    found = sb.compress(form(net), images, **options)
    assert found.name == str(net)
    assert [layer.name for layer in found.layers] == ["conv", "fc"]


def test_the_file_is_not_overwritten(net, images, capsys):
    before = net.read_bytes()
    message = refused(capsys, ["compress", str(net), "--data", str(images), "-o", str(net)])
    assert message.startswith(f"cannot write {net}: it is read, too")
    with pytest.raises(sb.ShiftbookError, match="it is read, too"):
        sb.compress(str(net), images, output=net)
    assert net.read_bytes() == before


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("net.onnx", "net.onnx"),
        ("a:b/net.onnx", "a:b/net.onnx"),
        ("net.pt2", "net.pt2"),
        ("net.py:make", "net.py"),
        ("zoo:digits", "zoo"),
        ("net", None),
        (None, None),
    ],
)
def test_the_file_that_a_source_names(source, path):
    assert source_file(source) == (None if path is None else Path(path))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("net.onx", "the model must be zoo:NAME, path/to/file.py:factory, or a .onnx or .pt2 file, not "),
        ("net.ONNX", "the model must be zoo:NAME, path/to/file.py:factory, or a .onnx or .pt2 file, not "),
    ],
)
def test_other_names_are_told(name, message, net, images, tmp_path, capsys):
    path = net.rename(tmp_path / name)
    arguments = ["compress", str(path), "--data", str(images), "-o", str(tmp_path / "net.ckpt")]
    assert message in refused(capsys, arguments)
    assert not (tmp_path / "net.ckpt").exists()


def test_the_help_says_so(capsys):
    assert cli.main(["compress", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "net.onnx, or net.pt2 of torch.export.save" in told
    assert "takes pixels 0..255" in told
