"""`--tile-words` of every command that has it: a number, or as many as the network needs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from shiftbook.cli import main
from shiftbook.commands.gates import _tile_words
from shiftbook.golden.model.network import Network
from shiftbook.golden.program.tile_memory import smallest_tile_words
from shiftbook.golden.spec import DEFAULT, PRESETS
from shiftbook.options.measuring import EnginesGroup, ExtentGroup
from shiftbook.options.tile_words import fitted
from shiftbook.synth.flow.gates import engine_spec


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The line of an error."""
    assert main([str(each) for each in arguments]) == 2
    return capsys.readouterr().err.strip().removeprefix("error: ")


@pytest.fixture
def needed(network: Network) -> int:
    """Words that the network is content with, which are fewer than the engine has."""
    words = smallest_tile_words(network, replace(DEFAULT, slots=network.slots))
    assert words < DEFAULT.tile_words
    return words


@pytest.mark.parametrize("value", ["auto", "512"])
def test_build_says_what_the_banks_take(checkpoint: Path, needed: int, tmp_path: Path, capsys, value) -> None:
    assert main(["build", str(checkpoint), "-o", str(tmp_path / "board"), "--tile-words", value]) == 0
    words = needed if value == "auto" else int(value)
    bits = 8 * 64 * 4 * words
    assert f"activation banks of {words:,} words, {bits:,} bits" in capsys.readouterr().out


def gate_file(folder: Path, words: int) -> Path:
    """Gates of the engine `shift` with other banks."""
    spec = {"rows": 8, "cols": 8, "bus_bytes": 32, "tile_words": words}
    path = folder / "gates.json"
    path.write_text(
        json.dumps({"engines": {"shift": {"total_ge": 100.0, "memory_bits": 9000, "spec": spec}}})
    )
    return path


def test_compare_counts_the_bits(checkpoint: Path, needed: int, tmp_path: Path, capsys) -> None:
    path, out = gate_file(tmp_path, needed), tmp_path / "compare.json"
    options = ["--engines", "shift", "--gates", str(path), "--tile-words", "auto", "--json", str(out)]
    assert main(["compare", str(checkpoint), *options]) == 0
    (row,) = json.loads(out.read_text())["rows"]
    assert (row["tile_words"], row["memory_bits"]) == (needed, 9000)
    assert "9,000" in capsys.readouterr().out


def test_compare_refuses_gates_of_other_banks(checkpoint: Path, tmp_path: Path, capsys) -> None:
    path = gate_file(tmp_path, 512)
    message = told(capsys, "compare", checkpoint, "--engines", "shift", "--gates", path)
    assert message.endswith(
        "has shift with tile_words 512 and not 1024: count it again with `shiftbook gates --tile-words 1024 "
        "--json`, or say --tile-words 512"
    )


def test_gates_are_those_of_the_banks(checkpoint: Path, needed: int) -> None:
    engines, fitted_to = EnginesGroup(), ExtentGroup(tile_words="auto", network=checkpoint)
    assert _tile_words(engines, ["shift"], ExtentGroup()) is None
    assert _tile_words(engines, ["shift"], ExtentGroup(tile_words="256")) == 256
    assert _tile_words(engines, ["shift"], fitted_to) == needed
    assert engine_spec("shift", tile_words=256) == replace(DEFAULT, tile_words=256)


def test_all_engines_get_the_same_banks(network: Network) -> None:
    words = {spec.tile_words for spec in fitted(PRESETS, "auto", [network]).values()}
    assert len(words) == 1
    assert fitted(PRESETS, "auto", []) == PRESETS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["gates", "--tile-words", "auto"],
            "--tile-words auto and --network CKPT go together: the network says the banks",
        ),
        (
            ["gates", "--network", "CKPT"],
            "--tile-words auto and --network CKPT go together: the network says the banks",
        ),
        (
            ["verilog", "-o", "x.v", "--tile-words", "auto"],
            "--tile-words auto needs a network: say a number of words, such as 1024",
        ),
        (
            ["build", "CKPT", "-o", "x", "--tile-words", "many"],
            "--tile-words must be auto or a power of two such as 256, not 'many'",
        ),
        (["build", "CKPT", "-o", "x", "--tile-words", "100"], "tile_words must be a power of two, not 100"),
        (
            ["run", "CKPT", "--explain", "--tile-words", "32"],
            "tile_words must be an integer in 64..16384, not 32",
        ),
    ],
)
def test_what_cannot_be(arguments, message, checkpoint: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert told(capsys, *[checkpoint if each == "CKPT" else each for each in arguments]) == message
