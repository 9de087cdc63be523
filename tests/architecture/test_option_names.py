"""Messages below the command line name no option of it: whoever calls from Python has none."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import shiftbook as sb
from shiftbook import cli
from shiftbook.golden.errors import ShiftbookError
from tests.architecture.test_rooms import ROOT, sources

OPTION = re.compile(r"--[a-z][a-z-]+")


def options() -> set[str]:
    """Every option of every command."""
    group = typer.main.get_command(cli.app)
    commands = group.commands.values()
    return {text for command in commands for each in command.params for text in each.opts if text[:2] == "--"}


def below() -> list[Path]:
    """The modules that a program reaches without the command line."""
    own = ROOT / "shiftbook"
    return [path for path in sources() if own not in path.parents or path.parent == own / "api"]


def texts(tree: ast.AST) -> Iterator[str]:
    """Texts for people: more than a word, and no docstring."""
    lone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and id(node) not in lone else None
        if isinstance(text, str) and " " in text:
            yield text


def named_in(source: str) -> set[str]:
    """The options that texts of a file name."""
    return {name for text in texts(ast.parse(source)) for name in OPTION.findall(text)} & options()


def test_no_message_names_an_option():
    assert len(below()) > 200
    assert {path: found for path in below() if (found := named_in(path.read_text()))} == {}


def test_one_that_does_is_seen():
    assert named_in('raise ShiftbookError(f"{x} lacks images: give --data")') == {"--data"}
    assert named_in('"""Of --data."""\nrun(["--json", "a b"])') == set()


def test_arguments_that_messages_name_are_options_too():
    """Each is a parameter of `sb.compress`, and the command line has its option."""
    found = set()
    for path in below():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ShiftbookError":
                found |= {name for word in node.keywords for name in ast.literal_eval(word.value)}
    assert {"calibration", "data", "weights"} <= found
    assert found <= set(inspect.signature(sb.compress).parameters)
    assert {f"--{name.replace('_', '-')}" for name in found} <= options()


MENDED = {
    ("compress", "zoo:resnet20", "-o", "net.ckpt"): (
        "error: zoo:resnet20 needs its trained weights: give the file that holds them (--weights)\n"
    ),
    ("compress", "net.py:make", "-o", "net.ckpt"): (
        "error: there are no images to calibrate on: give data, or images for calibration alone "
        "(--data, --calibration)\n"
    ),
}


@pytest.mark.parametrize("arguments", MENDED)
def test_the_command_line_adds_its_options(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text("from torch import nn\ndef make():\n    return nn.Conv2d(1, 1, 1)\n")
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err == MENDED[arguments]


def test_an_error_keeps_its_arguments():
    error = ShiftbookError("no\nimages", arguments=["core_rate"])
    assert (str(error), error.arguments) == ("no images", ("core_rate",))
    assert ShiftbookError("no images").arguments == ()
