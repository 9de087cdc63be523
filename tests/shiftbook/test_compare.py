"""`shiftbook compare`, with gate counts from a file so that nothing is synthesized."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from shiftbook.cli import main
from shiftbook.comparison import Load, cheapest, loads, stored
from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.model import executor
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.spec import DEFAULT, PRESETS
from shiftbook.golden.statistics.decomposed import FACT, macs_of
from shiftbook.golden.statistics.sizes import layer_sizes
from shiftbook.golden.storage.checkpoint import load, save
from shiftbook.sim.driver import run_rtl
from tests.golden.codings import wide_fields
from tests.shiftbook.test_inspect import refused

GE = {
    "int8": 300.0,
    "int8_sparse": 320.0,
    "shift": 200.0,
    "two_term": 220.0,
    "focused": 150.0,
    "shift4": 120.0,
}


@pytest.fixture
def gates(tmp_path: Path) -> Path:
    file = tmp_path / "gates.json"
    grid = {"rows": 8, "cols": 8, "bus_bytes": 32}
    file.write_text(
        json.dumps({"engines": {name: {"total_ge": ge, "spec": grid} for name, ge in GE.items()}})
    )
    return file


@pytest.fixture
def pruned(network: Network, tmp_path: Path) -> Path:
    """The same network without every second weight that is left."""
    nodes = []
    for node in network.nodes:
        assert isinstance(node, Conv)
        integers = node.weights.integers.copy()
        integers.reshape(-1)[::2] = 0
        nodes.append(replace(node, weights=code_weights(integers, "test", DEFAULT)))
    path = tmp_path / "pruned.ckpt"
    save(replace(network, nodes=tuple(nodes), facts={}), path)
    return path


def test_rows_tell_what_was_measured(
    checkpoint: Path, pruned: Path, data: Path, gates: Path, images, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "compare.json"
    arguments = [str(checkpoint), str(pruned), "--gates", str(gates), "--data", str(data), "--json", str(out)]
    assert main(["compare", *arguments]) == 0
    shown = capsys.readouterr().out
    assert "small.ckpt" in shown
    assert "1.000" in shown
    rows = json.loads(out.read_text())["rows"]
    for row, path in zip(rows, (checkpoint, pruned), strict=True):
        network = load(path)
        assert row["macs"] == sum(macs_of(network).values())
        assert row["ge"] == GE[row["engine"]]
        assert row["gate_cycles"] == row["ge"] * row["cycles"]
        assert row["ge_per_mac"] == row["gate_cycles"] / row["macs"]
        predictions = executor.run(network, images).outputs.argmax(axis=1)
        assert row["accuracy"] == (predictions == [0, 1, 2, 0, 1, 2]).mean()
    assert rows[0]["relative"] == 1
    assert "accelerator_relative" not in rows[0]
    assert rows[1]["relative"] == rows[1]["gate_cycles"] / rows[0]["gate_cycles"]
    assert rows[1]["density"] < rows[0]["density"]
    assert rows[1]["stored_bits"] < rows[0]["stored_bits"]


def test_the_engine_is_the_cheapest_that_runs_it(network: Network) -> None:
    found = loads(network, PRESETS)
    assert {load.engine for load in found} == set(GE) - {"focused", "shift4"}  # these cannot represent -100
    costs = {load.engine: load.cycles * GE[load.engine] for load in found}
    assert cheapest(found, GE).engine == min(costs, key=costs.__getitem__)
    assert cheapest([Load("int8", 10, 0), Load("shift", 16, 0)], GE).engine == "int8"
    assert cheapest([Load("int8", 10, 0), Load("shift", 14, 0)], GE).engine == "shift"


def test_rtl_counts_the_cycles(checkpoint: Path, data: Path, gates: Path, images, tmp_path: Path) -> None:
    out = tmp_path / "compare.json"
    options = ["--gates", str(gates), "--engines", "shift", "--rtl", "--data", str(data), "--json", str(out)]
    assert main(["compare", str(checkpoint), *options]) == 0
    (row,) = json.loads(out.read_text())["rows"]
    assert row["compared"] > 0
    network = load(checkpoint)
    assert row["cycles"] == run_rtl(network, images[:1], DEFAULT).cycles
    (found,) = loads(network, {"shift": DEFAULT})
    assert row["modelled_cycles"] == found.cycles


def test_whole_accelerators_are_compared_where_they_were_counted(
    checkpoint: Path, pruned: Path, gates: Path, tmp_path: Path
) -> None:
    report = json.loads(gates.read_text())
    for engine in report["engines"].values():
        engine["accelerator_ge"] = engine["total_ge"] + 50
    gates.write_text(json.dumps(report))
    out = tmp_path / "compare.json"
    assert main(["compare", str(checkpoint), str(pruned), "--gates", str(gates), "--json", str(out)]) == 0
    first, second = json.loads(out.read_text())["rows"]
    work = [(row["ge"] + 50) * row["cycles"] for row in (first, second)]
    assert second["accelerator_relative"] == work[1] / work[0]
    narrower = ["--bus", "16", "--json", str(out)]
    assert main(["compare", str(checkpoint), str(pruned), "--gates", str(gates), *narrower]) == 0
    rows = json.loads(out.read_text())["rows"]
    assert "accelerator_relative" not in rows[0], "these gates are those of another bus"
    assert rows[0]["cycles"] > first["cycles"]
    assert second["relative"] != second["accelerator_relative"] or first["ge"] == second["ge"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engines", "float"], "there is no engine 'float': choose of shift, shift4, int8"),
        (["--engines", "focused"], "small.ckpt: no engine runs it: focused: layer"),
        (["--rtl"], "--rtl runs an image: add --data"),
        (["--gates", "nowhere.json"], "cannot read nowhere.json: No such file"),
        (["--lanes", "4x4", "--gates", "GATES"], "has no engine int8 of 4x4 lanes: it has int8 of 8x8"),
        (["--gates", "CHECKPOINT"], "is not what `shiftbook gates --json` writes"),
    ],
)
def test_mistakes_are_one_line(
    checkpoint: Path, gates: Path, options: list[str], message: str, capsys
) -> None:
    names = {"GATES": str(gates), "CHECKPOINT": str(checkpoint)}
    assert main(["compare", str(checkpoint), *(names.get(option, option) for option in options)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_file_that_was_coded_otherwise(network: Network, gates: Path, tmp_path: Path, monkeypatch) -> None:
    """Its stored bits are those that it has, not those that shiftbook would have written."""
    path, report = tmp_path / "other.ckpt", tmp_path / "compare.json"
    with monkeypatch.context() as patched:
        save(network, path, wide_fields(patched))
    options = ["--gates", str(gates), "--engines", "shift", "--json", str(report)]
    assert main(["compare", str(path), *options]) == 0
    (row,) = json.loads(report.read_text())["rows"]
    assert row["stored_bits"] == layer_sizes(path).stored_bits != layer_sizes(network).stored_bits


def test_chains_are_told(network: Network) -> None:
    sizes = layer_sizes(network)
    assert stored(network, sizes)["scheme"] == "shift"
    facts = {"scheme": "int8", FACT: {"conv1": {}}}
    assert stored(replace(network, facts=facts), sizes)["scheme"] == "tensor-train, int8"
    assert stored(replace(network, facts={}), sizes)["scheme"] == "shift"


def test_batches(checkpoint: Path, pruned: Path, gates: Path, data: Path, tmp_path: Path, capsys) -> None:
    """An image's share of a batch, by the model and on the RTL."""
    out = tmp_path / "compare.json"
    arguments = [str(checkpoint), str(pruned), "--gates", str(gates), "--batch", "4", "--engines", "shift"]
    assert main(["compare", *arguments, "--json", str(out)]) == 0
    assert "all 4 images of a batch are done after" in capsys.readouterr().out
    modelled = json.loads(out.read_text())["rows"]
    for row, path in zip(modelled, (checkpoint, pruned), strict=True):
        alone, batch = (loads(load(path), {"shift": PRESETS["shift"]}, count)[0] for count in (1, 4))
        assert (row["batch"], row["batch_cycles"], row["cycles"]) == (4, batch.batch_cycles, batch.cycles)
        assert batch.cycles == -(-batch.batch_cycles // 4) < alone.cycles
    assert main(["compare", *arguments, "--rtl", "--data", str(data), "--json", str(out)]) == 0
    for row, model in zip(json.loads(out.read_text())["rows"], modelled, strict=True):
        assert row["modelled_cycles"] == model["cycles"]
        assert abs(row["batch_cycles"] - model["batch_cycles"]) < 0.01 * model["batch_cycles"]


def test_no_batch_without_images(checkpoint: Path, gates: Path, capsys) -> None:
    arguments = ["compare", str(checkpoint), "--gates", str(gates), "--batch", "-1"]
    assert refused(capsys, arguments) == "--batch must be at least 1, not -1"
