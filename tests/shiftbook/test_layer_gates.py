"""`shiftbook gates --unrolled` and `--paper-layer`."""

import json

import numpy as np
import pytest

from shiftbook import cli
from shiftbook.synth.flow.weights import load_weights
from shiftbook.synth.unrolled import paper_layer
from shiftbook.synth.unrolled.checkpoint_layer import layer_slices
from shiftbook.synth.unrolled.random_weights import FixedLayer
from shiftbook.synth.unrolled.unrolled import cell_prices, unroll
from tests.shiftbook.test_inspect import refused


def test_a_layer_of_a_checkpoint(checkpoint, network, tmp_path, capsys):
    report = tmp_path / "layer.json"
    arguments = ["gates", "--unrolled", str(checkpoint), "--layer", "head", "--json", str(report)]
    assert cli.main(arguments) == 0
    found, out = json.loads(report.read_text()), capsys.readouterr().out
    integers = network.nodes[1].weights.integers
    graph = unroll(FixedLayer(integers.reshape(3, -1).astype(np.int64)))
    prices, _ = cell_prices(graph.cells, load_weights())
    assert found["ge"] == round(graph.ge(prices), 2)
    assert found["verilog_sha256"] == [graph.verilog_sha256]
    assert (found["channels"], found["macs"], found["scheme"]) == (3, 3 * 4 * 4 * 4, "shift")
    assert found["density"] == round(np.count_nonzero(integers) / integers.size, 4)
    assert "3 of 3" in out
    assert f"{found['ge_per_mac']:.1f}" in out


def test_slices_keep_groups_apart():
    weights = np.arange(46 * 2).reshape(46, 1, 1, 2)
    assert [len(part) for part in layer_slices(weights, 46)] == [20, 20, 6]
    assert [len(part) for part in layer_slices(weights, 23)] == [20, 3, 20, 3]
    assert np.array_equal(np.concatenate(layer_slices(weights, 23)), weights.reshape(46, 2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--unrolled", "CKPT"], "--unrolled needs --layer NAME"),
        (
            ["--unrolled", "CKPT", "--layer", "none"],
            "there is no layer 'none' with weights: choose one of conv1, head",
        ),
        (
            ["--unrolled", "CKPT", "--layer", "head", "--channels", "4"],
            "channels must be in 1..3 for layer head, not 4",
        ),
        (
            ["--unrolled", "CKPT", "--layer", "head", "--channels", "0"],
            "channels must be in 1..3 for layer head, not 0",
        ),
        (["--unrolled", "CKPT", "--layer", "head", "--paper-layer"], "choose one"),
        (["--unrolled", "none.ckpt", "--layer", "head"], "cannot read none.ckpt"),
        (["--layer", "head"], "--unrolled CKPT, which is missing"),
        (["--paper-layer", "--channels", "30"], "channels must divide 100, not be 30"),
        (["--channels", "5"], "--unrolled CKPT, which is missing"),
        (["--paper-layer", "--liberty", "x.lib"], "leave it out"),
        (["--paper-layer", "--weights", "missing.toml"], "missing.toml"),
        (["--paper-layer", "--json", "no/folder/x.json"], "there is no folder"),
    ],
)
def test_bad_requests(options, message, checkpoint, capsys):
    options = [str(checkpoint) if option == "CKPT" else option for option in options]
    assert message in refused(capsys, ["gates", *options])


def test_the_paper_layer_is_printed(monkeypatch, tmp_path, capsys):
    """Rows, views and percentages of a report end up in the table and in the file."""
    view = {"layer_ge": 2_000_000, "ge_per_mac": 12.3, "ratio": 0.75}
    units = {"memory_bits": 0, "parts": {}}
    graph = {"slice_ge": 9.5, "adders": 7, "shared": 3, "depth": 2, "nonzero": 0.5, "verilog_sha256": "ab"}
    row = {
        "title": "a method",
        "paper": None,
        "programmable": view | units,
        "unrolled": {"1.0": view | graph},
    }
    report = {
        "layer": {"pixels": 64, "channels": 100, "inputs": 900, "macs": 5_760_000, "slice": 20},
        "methods": {"one": row},
        "mean": [
            {
                "mean": "focused",
                "plain": "shift3",
                "paper": None,
                "programmable": 50.0,
                "1.0": 60.0,
                "0.2": 7.0,
            }
        ],
        "huffman": {"decoder_ge": 1234.5, "paper_gates": 800000, "macs_per_decoder": 9000},
        "seed": 0,
        "versions": {"yosys": "Yosys 1 (x)"},
        "weights": "nand2.toml",
    }
    monkeypatch.setattr(paper_layer, "paper_layer_report", lambda **_: report)
    file = tmp_path / "layer.json"
    assert cli.main(["gates", "--paper-layer", "--json", str(file)]) == 0
    assert json.loads(file.read_text()) == report
    out = capsys.readouterr().out
    for text in ("a method", "2.0", "0.75", "12.3", "+60.00 %", "1,234 GE"):
        assert text in out
