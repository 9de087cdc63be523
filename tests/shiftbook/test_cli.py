"""The shell around the commands: exit codes, one line of error, no traceback, quick starts."""

import json
import os
import re
import signal
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


def test_interrupt_is_a_word(capsys, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "invoke", interrupted)
    assert cli.main(["gates"]) == cli.INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"


def test_error_of_several_lines_becomes_one(capsys, monkeypatch):
    def wrong(*_: object, **__: object) -> None:
        raise shiftbook.ShiftbookError("first\n  second")

    monkeypatch.setattr(cli, "invoke", wrong)
    assert cli.main(["gates"]) == cli.USER_ERROR
    assert capsys.readouterr().err == "error: first second\n"


def test_bug_is_not_hidden(monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "invoke", broken)
    with pytest.raises(ZeroDivisionError):
        cli.main(["gates"])


@pytest.mark.parametrize("module", ["torch", "numpy", "amaranth", "sklearn", "cocotb"])
@pytest.mark.parametrize("arguments", [["--help"], ["compress", "--help"]], ids=str)
def test_help_imports_nothing_slow(module, arguments):
    code = f"import sys; from shiftbook.cli import main; main({arguments}); "
    code += f"sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


# Streams that take no more


@pytest.fixture(params=["", "1"], ids=["buffered", "unbuffered"])
def buffering(request, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", request.param)


def with_streams(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program under a shell that redirects its streams; "$@" is the program and its arguments."""
    program = [sys.executable, "-m", "shiftbook", *arguments]
    return subprocess.run(
        ["sh", "-c", command, "sh", *program], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.usefixtures("buffering")
@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["inspect", "CKPT"]], ids=str)
def test_a_full_stdout(arguments, checkpoint):
    done = with_streams('"$@" >/dev/full', *(str(checkpoint) if a == "CKPT" else a for a in arguments))
    assert done.returncode == cli.USER_ERROR
    assert re.fullmatch(r"error: cannot write to stdout.*: No space left on device\n", done.stderr)


RICH = """
import sys
from shiftbook import cli, console
cli.invoke = lambda arguments: console.print_rich("text") or 0
sys.exit(cli.main(["gates"]))
"""
"""A command with rich output, in no time."""


@pytest.mark.usefixtures("buffering")
@pytest.mark.parametrize("program", [["-m", "shiftbook", "--help"], ["-c", RICH]], ids=["plain", "rich"])
def test_a_reader_that_is_gone(program):
    """What was not written was not read: that is told, and no success."""
    read, write = os.pipe()
    os.close(read)
    program = [sys.executable, *program]
    done = subprocess.run(program, stdout=write, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(write)
    assert done.returncode == cli.USER_ERROR
    assert done.stderr == b"error: cannot write to stdout: Broken pipe\n"


@pytest.mark.usefixtures("buffering")
def test_a_full_stderr():
    assert with_streams('"$@" 2>/dev/full', "gates", "--bus", "0").returncode == cli.USER_ERROR


def test_closed_streams(checkpoint, tmp_path):
    """Nobody asked for the text; the file is whole, and not what a library prints."""
    report = tmp_path / "sizes.json"
    done = with_streams('"$@" >&-', "inspect", str(checkpoint), "--json", str(report))
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(report.read_text())["weights"] > 0
    assert with_streams('"$@" 2>&-', "gates", "--bus", "0").returncode == cli.USER_ERROR


def test_a_closed_stdout_and_rich_output():
    done = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", sys.executable, "-c", RICH],
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


# Ctrl-C


@pytest.mark.parametrize("reaction", ["pass", "raise ImportError('initialization failed') from None"])
@pytest.mark.parametrize("module", ["typer", "numpy", "safetensors"])
def test_an_interrupt_within_an_import(module, reaction, tmp_path, checkpoint):
    """Of the command line itself, and of what a command needs, whatever the module makes of it."""
    (tmp_path / f"{module}.py").write_text(
        "import os, signal, time\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        f"    {reaction if reaction != 'pass' else 'raise'}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "shiftbook", "inspect", str(checkpoint)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        # a test run in the background ignores interrupts, and so would its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (cli.INTERRUPTED, "", "interrupted\n")


def test_an_interrupt_that_knows_how_to_go_on(capsys, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt("the same command goes on")

    monkeypatch.setattr(cli, "invoke", interrupted)
    assert cli.main(["compress"]) == cli.INTERRUPTED
    assert capsys.readouterr().err == "interrupted: the same command goes on\n"


# Options


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gates", "--bus", "0"], "bus_bytes must be an integer in 8..64, not 0"),
        (["verilog", "-o", "OUT", "--bus", "0"], "bus_bytes must be an integer in 8..64, not 0"),
        (["run", "CKPT", "--data", "digits", "--bus", "0"], "bus_bytes must be an integer in 8..64, not 0"),
        (["gates", "--lanes="], "lanes must be ROWSxCOLUMNS such as 8x8, not ''"),
        (["gates", "--fpga", "ecp5", "--lanes="], "lanes must be ROWSxCOLUMNS such as 8x8, not ''"),
        (["gates", "--engine="], "engines must be some of shift, "),
        (["gates", "--fpga", "ecp5", "--engine="], "engines must be some of shift, "),
        (["gates", "--lanes", f"{'1' * 5000}x8"], "lanes must be ROWSxCOLUMNS such as 8x8, not '1111"),
        (["gates", "--lanes", f"8x{'0' * 5000}8"], "lanes must be ROWSxCOLUMNS such as 8x8, not '8x00"),
        (["demo", "--seed", "-1"], "Invalid value for '--seed': "),
        (["compress", "zoo:digits", "-o", "OUT", "--seed", str(2**70)], "Invalid value for '--seed': "),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_value_that_is_none(arguments, message, checkpoint, tmp_path, capsys):
    """0 and the empty text are values like others; they do not choose the default."""
    names = {"CKPT": str(checkpoint), "OUT": str(tmp_path / "out")}
    assert cli.main([names.get(argument, argument) for argument in arguments]) == cli.USER_ERROR
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert len(err) < 300
    assert not (tmp_path / "out").exists()


def test_module_and_command_are_the_same():
    done = shiftbook_process("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{shiftbook.__version__}\n", "")


def test_an_error_is_one_plain_line(capfd, tmp_path):
    assert cli.main(["inspect", str(tmp_path / "a\x1b[2J\nb.ckpt")]) == 2
    assert capfd.readouterr().err.startswith(f"error: cannot read {tmp_path}/a\\x1b[2J b.ckpt: No such file")


def test_too_little_memory_is_one_line(capfd, monkeypatch):
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("shiftbook.golden.storage.checkpoint.read", fail)
    assert cli.main(["inspect", "x.ckpt"]) == 2
    assert capfd.readouterr().err.startswith("error: there is not enough memory for this: ")


def test_code_that_exits_is_one_line(capfd, monkeypatch):
    """The exit code would be that of a network's own code, which nobody can tell from ours."""

    def leave(*_: object) -> None:
        raise SystemExit(3)

    monkeypatch.setattr("shiftbook.golden.storage.checkpoint.read", leave)
    assert cli.main(["inspect", "x.ckpt"]) == 2
    assert capfd.readouterr().err == (
        "error: the network's own code, or a library, ended the program with exit code 3; it must not\n"
    )
