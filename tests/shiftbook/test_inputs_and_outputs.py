"""The paths that commands are given: none is empty, and none is both read and written."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

from shiftbook import cli

WRITTEN = ("output", "json_file", "log", "wave", "keep_cores", "keep_weights", "plots", "save")
TEXTS = ("source", "data", "calibration", "ranks")
"""Parameters that are texts, and yet can name a file."""


def parameters(command: str) -> dict[str, Any]:
    """A command's parameters that name files or folders, by name."""
    found = typer.main.get_command(cli.app).commands[command]
    function = getattr(getattr(cli, command), command)
    hints = inspect.signature(function, eval_str=True).parameters
    return {
        param.name: param
        for param in found.params
        if param.name in TEXTS or "Path" in str(hints.get(param.name, ""))
    }


def arguments(command: str, chosen: dict[str, str], tmp_path: Path) -> list[str]:
    """A command line with the chosen paths, and with others where there must be some."""
    words = [command]
    for name, param in parameters(command).items():
        if name not in chosen and not param.required:
            continue
        value = chosen.get(name, str(tmp_path / f"other-{name}"))
        words += [value] if param.param_type_name == "argument" else [param.opts[0], value]
    return words


COMMANDS = ("compress", "inspect", "run", "compare", "gates", "report", "verilog", "build", "demo")
PATHS = [(command, name) for command in COMMANDS for name in parameters(command)]
PAIRS = [
    (command, read, written)
    for command in COMMANDS
    for read in parameters(command)
    for written in parameters(command)
    if read not in WRITTEN and written in WRITTEN
]


def refused(capsys: pytest.CaptureFixture[str], words: list[str]) -> str:
    assert cli.main(words) == cli.USER_ERROR
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err.removeprefix("error: ").removesuffix("\n")


def test_all_paths_are_known():
    assert len(PATHS) == 38


@pytest.mark.parametrize(("command", "name"), [pair for pair in PATHS if pair[1] not in ("source", "ranks")])
def test_an_empty_path(command, name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    message = refused(capsys, arguments(command, {name: ""}, tmp_path))
    assert message.startswith("Invalid value for ")
    assert "it is empty: name a f" in message
    assert list(tmp_path.iterdir()) == []


def text_of(name: str, path: Path) -> str:
    return f"{path}:make" if name == "source" else str(path)


@pytest.mark.parametrize("by", ["name", "link"])
@pytest.mark.parametrize(("command", "read", "written"), PAIRS)
def test_an_input_is_not_written(command, read, written, by, tmp_path, capsys):
    """Said before any work: what is read need not even be what it should be."""
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "file.json"
    path.write_text("mine")
    target = path if by == "name" else tmp_path / "link"
    if by == "link":
        target.symlink_to(path)
    if written == "plots" or command == "build":
        pytest.skip("a folder: see below")
    source = folder if command == "report" else path
    message = refused(
        capsys, arguments(command, {read: text_of(read, source), written: str(target)}, tmp_path)
    )
    assert message == f"cannot write {target}: it is read, too, as {path}; name another file"
    assert path.read_text() == "mine"
    assert not list(tmp_path.glob("other-*"))


@pytest.mark.parametrize("name", ["image.bin", "bench/expected.bin"])
def test_build_does_not_write_its_checkpoint(name, checkpoint, tmp_path, capsys):
    path = tmp_path / "board" / name
    path.parent.mkdir(parents=True)
    checkpoint.rename(path)
    before = path.read_bytes()
    message = refused(capsys, ["build", str(path), "-o", str(tmp_path / "board"), "--lanes", "4x4"])
    assert message == f"cannot write {path}: it is read, too, as {path}; name another file"
    assert path.read_bytes() == before


def test_an_image_of_the_data_is_not_written(checkpoint, tmp_path, capsys):
    """Other files in a folder of images are not read, and may be written again and again."""
    (tmp_path / "data" / "cat").mkdir(parents=True)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "data" / "cat" / "0.png")
    words = ["run", str(checkpoint), "--data", str(tmp_path / "data"), "--json"]
    image = tmp_path / "data" / "cat" / "0.png"
    assert refused(capsys, [*words, str(image)]).startswith(f"cannot write {image}: it is read, too, as ")
    for _ in range(2):
        assert cli.main([*words, str(tmp_path / "data" / "run.json")]) == 0


def test_the_digits_are_no_file(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("digits").write_text("old")
    assert cli.main(["run", str(checkpoint), "--data", "digits", "--limit", "1", "--json", "digits"]) == 0


@pytest.mark.parametrize("name", ["digits.ckpt", "compress.json", "inspect.json", "run.json", "gates.json"])
def test_two_outputs_of_the_demo(name, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    words = ["demo", "-o", str(tmp_path / "out"), "--json", str(tmp_path / "out" / name)]
    assert "they are one file; name two" in refused(capsys, words)


@pytest.mark.parametrize("name", ["x.ckpt.training", "x.ckpt.training.admm", "x.ckpt.training.cores"])
def test_the_training_state_is_an_output(name, tmp_path, capsys):
    words = ["compress", "zoo:digits", "-o", str(tmp_path / "x.ckpt"), "--epochs", "1"]
    assert "they are one file; name two" in refused(capsys, [*words, "--log", str(tmp_path / name)])
