"""`shiftbook inspect`, and checkpoints that it must refuse."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from shiftbook import cli
from shiftbook.golden.statistics.sizes import layer_sizes
from shiftbook.golden.storage.checkpoint import save
from tests.golden.codings import wide_fields


def refused(capsys, arguments: list[str]) -> str:
    """The one line of an error, without its prefix."""
    assert cli.main(arguments) == cli.USER_ERROR
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err.removeprefix("error: ").rstrip()


def test_json_and_table_say_what_is_stored(checkpoint, network, tmp_path, capsys):
    report = tmp_path / "sizes.json"
    assert cli.main(["inspect", str(checkpoint), "--json", str(report)]) == 0
    sizes, found = layer_sizes(network), json.loads(report.read_text())
    assert found["ratio"] == sizes.ratio
    assert found["bits_per_weight"] == sizes.bits_per_weight
    assert found["header_bytes"] + sizes.stored_bits // 8 == checkpoint.stat().st_size
    assert [layer["name"] for layer in found["layers"]] == ["conv1", "head"]
    assert sum(layer["stored_bits"] for layer in found["layers"]) + found["other_bits"] == sizes.stored_bits
    out = capsys.readouterr().out
    assert f"ratio {sizes.ratio:.2f}x" in out
    assert [line.split()[0] for line in out.splitlines()] == [
        "layer",
        "-----",
        "conv1",
        "head",
        "total",
        "ratio",
    ]


def test_a_file_that_was_coded_otherwise(network, tmp_path, monkeypatch):
    """What inspect says is what this file holds, not what shiftbook would have written."""
    path, report = tmp_path / "other.ckpt", tmp_path / "sizes.json"
    with monkeypatch.context() as patched:
        save(network, path, wide_fields(patched))
    assert cli.main(["inspect", str(path), "--json", str(report)]) == 0
    found = json.loads(report.read_text())
    assert found["stored_bits"] != layer_sizes(network).stored_bits
    assert found["header_bytes"] + found["stored_bits"] // 8 == path.stat().st_size


def test_json_has_the_weights_of_each_layer(network, tmp_path):
    """And the mixture that compress fitted to it, where the checkpoint says it."""
    nodes = (replace(network.nodes[0], weights=replace(network.nodes[0].weights, scheme="focused")),)
    mixture = {"share": [0.5, 0.5], "mean": [-1.0, 1.0], "sigma": [0.1, 0.1], "separation": 4.0}
    facts = {"mixtures": {"conv1": mixture}}
    path, report = tmp_path / "focused.ckpt", tmp_path / "sizes.json"
    save(replace(network, nodes=nodes + network.nodes[1:], facts=facts), path)
    assert cli.main(["inspect", str(path), "--json", str(report)]) == 0
    first, second = json.loads(report.read_text())["layers"]
    for layer, node in zip((first, second), network.nodes, strict=True):
        integers = np.repeat(layer["integers"], layer["counts"]).tolist()
        assert integers == sorted(node.weights.integers.ravel().tolist())
        assert layer["levels"] == node.weights.codebook.tolist()
    assert [component["mean"] < 0 for component in first["components"]] == [True, False]
    assert (first["mixture"], second["mixture"], second["components"]) == (mixture, None, None)


def test_missing_checkpoint(tmp_path, capsys):
    assert re.search("cannot read .*none.ckpt", refused(capsys, ["inspect", str(tmp_path / "none.ckpt")]))


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_truncated_checkpoint(share, checkpoint, capsys):
    data = checkpoint.read_bytes()
    checkpoint.write_bytes(data[: int(share * len(data))])
    assert "truncated or damaged" in refused(capsys, ["inspect", str(checkpoint)])


def test_flipped_bits(checkpoint, capsys):
    data = checkpoint.read_bytes()
    for index in np.random.default_rng(0).integers(0, 8 * len(data), 50):
        flipped = bytearray(data)
        flipped[index // 8] ^= 1 << index % 8
        checkpoint.write_bytes(flipped)
        assert re.search(
            "damaged|no shiftbook checkpoint|newer", refused(capsys, ["inspect", str(checkpoint)])
        )


def test_foreign_safetensors(tmp_path, capsys):
    path = tmp_path / "weights.safetensors"
    save_file({"conv.weight": np.zeros(3, np.float32)}, path)
    assert "no shiftbook checkpoint: make one with compress" in refused(capsys, ["inspect", str(path)])


def test_foreign_file(tmp_path, capsys):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0" + bytes(1000))
    assert "no shiftbook checkpoint" in refused(capsys, ["inspect", str(path)])


def test_newer_checkpoint(checkpoint, capsys, monkeypatch, network):
    from shiftbook.golden.storage import checkpoint as writer

    with monkeypatch.context() as newer:
        newer.setattr(writer, "VERSION", writer.VERSION + 1)
        writer.save(network, checkpoint)
    assert "newer than 3: update shiftbook" in refused(capsys, ["inspect", str(checkpoint)])


def test_unwritable_json_is_refused_before_any_work(checkpoint, tmp_path, capsys):
    before = sorted(tmp_path.iterdir())
    message = refused(capsys, ["inspect", str(checkpoint), "--json", str(tmp_path / "no" / "x.json")])
    assert "there is no folder" in message
    assert sorted(tmp_path.iterdir()) == before
