"""The shell around the commands: exit codes, one line of error, no traceback, quick starts."""

import subprocess
import sys

import pytest

import shiftbook
from shiftbook import cli

COMMANDS = ("compress", "inspect", "run", "compare", "gates", "report", "verilog", "demo")


def shiftbook_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shiftbook", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"{shiftbook.__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(command, capsys):
    assert cli.main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"\n    shiftbook {command}" in text, "an example"
    assert "--json FILE" in text


def test_help_without_arguments(capsys):
    assert cli.main([]) == 0
    overview = capsys.readouterr().out
    assert all(f"\n  {command} " in overview for command in COMMANDS)
    assert not any(line.endswith("...") for line in overview.splitlines()[1:]), "a summary was cut off"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fly"], "No such command 'fly'."),
        (["gates", "--lanes"], "Option '--lanes' requires an argument."),
        (["gates", "--lanes", "8"], "lanes must be ROWSxCOLUMNS such as 8x8, not '8'"),
        (["verilog"], "Missing option '-o' / '--output'."),
    ],
)
def test_mistake_is_one_line(arguments, message, capsys):
    assert cli.main(arguments) == cli.USER_ERROR
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1


def test_interrupt_is_quiet(capsys, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", interrupted)
    assert cli.main(["gates"]) == cli.INTERRUPTED
    assert capsys.readouterr().err == ""


def test_error_of_several_lines_becomes_one(capsys, monkeypatch):
    def wrong(*_: object, **__: object) -> None:
        raise shiftbook.ShiftbookError("first\n  second")

    monkeypatch.setattr(cli, "app", wrong)
    assert cli.main(["gates"]) == cli.USER_ERROR
    assert capsys.readouterr().err == "error: first second\n"


def test_bug_is_not_hidden(monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(ZeroDivisionError):
        cli.main(["gates"])


@pytest.mark.parametrize("module", ["torch", "amaranth", "sklearn", "cocotb"])
def test_starting_imports_nothing_slow(module):
    code = f"import sys, shiftbook.cli; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_module_and_command_are_the_same():
    done = shiftbook_process("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{shiftbook.__version__}\n", "")


def test_an_error_is_one_plain_line(capfd, tmp_path):
    assert cli.main(["inspect", str(tmp_path / "a\x1b[2J\nb.ckpt")]) == 2
    assert capfd.readouterr().err.startswith(f"error: cannot read {tmp_path}/a\\x1b[2J b.ckpt: No such file")


def test_too_little_memory_is_one_line(capfd, monkeypatch):
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("shiftbook.golden.checkpoint.load", fail)
    assert cli.main(["inspect", "x.ckpt"]) == 2
    assert capfd.readouterr().err.startswith("error: there is not enough memory for this: ")
