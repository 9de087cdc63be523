"""Paths that lead to nothing that can be read or written: one line, at once, whatever the option."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shiftbook import cli
from shiftbook.golden.inputs import shown
from shiftbook.golden.model.network import Network
from shiftbook.golden.storage.checkpoint import save
from tests.frontend.importing.test_load import MODEL

SECONDS = 60

READ = {
    "inspect": ["inspect", "{}.ckpt"],
    "build": ["build", "{}.ckpt", "-o", "{tmp}/board"],
    "run": ["run", "{}.ckpt", "--data", "{data}"],
    "run --data": ["run", "{ckpt}", "--data", "{}.npz"],
    "run --float": ["run", "{ckpt}", "--data", "{data}", "--float", "{}.py:make"],
    "run --weights": ["run", "{ckpt}", "--data", "{data}", "--float", "{net}:small", "--weights", "{}.pt"],
    "compare": ["compare", "{}.ckpt", "--gates", "{tmp}/gates.json"],
    "compare --data": ["compare", "{ckpt}", "--data", "{}.npz"],
    "compare --gates": ["compare", "{ckpt}", "--gates", "{}.json"],
    "compress": ["compress", "{}.py:make", "--data", "{data}", "-o", "{tmp}/o.ckpt"],
    "compress --weights": [
        *("compress", "{net}:small", "--weights", "{}.safetensors"),
        *("--data", "{data}", "-o", "{tmp}/o.ckpt"),
    ],
    "compress --data": ["compress", "{net}:small", "--data", "{}.npz", "-o", "{tmp}/o.ckpt"],
    "compress --calibration": ["compress", "{net}:small", "--calibration", "{}.npz", "-o", "{tmp}/o.ckpt"],
    "compress --ranks": [
        *("compress", "{net}:small", "--data", "{data}", "-o", "{tmp}/o.ckpt"),
        *("--scheme", "tensor-train", "--ranks", "{}.json"),
    ],
    "gates --weights": ["gates", "--weights", "{}.toml"],
    "gates --liberty": ["gates", "--liberty", "{}.lib"],
    "gates --unrolled": ["gates", "--unrolled", "{}.ckpt", "--layer", "head"],
    "report": ["report", "{}", "-o", "{tmp}/o.html"],
}

WRITTEN = {
    "run --json": ["run", "{ckpt}", "--data", "{data}", "--json", "{}"],
    "run --wave": ["run", "{ckpt}", "--data", "{data}", "--backend", "rtl", "--wave", "{}"],
    "compress -o": ["compress", "{net}:small", "--data", "{data}", "-o", "{}"],
    "compress --log": ["compress", "{net}:small", "--data", "{data}", "-o", "{tmp}/o.ckpt", "--log", "{}"],
    "compress --keep-cores": [
        *("compress", "{net}:small", "--data", "{data}", "-o", "{tmp}/o.ckpt"),
        *("--scheme", "tensor-train", "--keep-cores", "{}"),
    ],
    "build -o": ["build", "{ckpt}", "-o", "{}"],
    "verilog -o": ["verilog", "-o", "{}"],
    "demo -o": ["demo", "-o", "{}"],
    "report -o": ["report", "{tmp}", "-o", "{}"],
    "report --plots": ["report", "{results}", "-o", "{tmp}/o.html", "--plots", "{}"],
}


@pytest.fixture(autouse=True)
def _in_time() -> Iterator[None]:
    """What waits for a FIFO fails and does not hang."""

    def late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def names(network: Network, checkpoint: Path, data: Path, everything: Path, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "net.py").write_text(MODEL)
    save(replace(network, facts={**network.facts, "mean": [0.0], "std": [1.0]}), checkpoint)
    return {
        "ckpt": str(checkpoint),
        "data": str(data),
        "net": str(tmp_path / "net.py"),
        "results": str(everything),
        "tmp": str(tmp_path),
    }


def refused(arguments: list[str], path: str, names: dict[str, str], capsys: pytest.CaptureFixture) -> str:
    assert cli.main([argument.format(path, **names) for argument in arguments]) == cli.USER_ERROR
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert len(err) < 1000
    return err


@pytest.mark.parametrize("what", [*READ, *WRITTEN])
def test_a_path_that_is_too_long(what: str, names: dict[str, str], capsys) -> None:
    err = refused({**READ, **WRITTEN}[what], "x" * 5000, names, capsys)
    assert "x" * 256 in err
    assert "File name too long" in err


@pytest.mark.parametrize("what", [each for each in READ if each != "report"])
def test_a_fifo_is_not_waited_for(what: str, names: dict[str, str], tmp_path: Path, capsys) -> None:
    for suffix in ("ckpt", "npz", "py", "pt", "safetensors", "json", "toml", "lib"):
        os.mkfifo(tmp_path / f"pipe.{suffix}")
    err = refused(READ[what], f"{tmp_path}/pipe", names, capsys)
    assert "it is a FIFO, not a regular file" in err


@pytest.mark.parametrize("what", [each for each in READ if each != "report"])
def test_a_device_is_not_read(what: str, names: dict[str, str], tmp_path: Path, capsys) -> None:
    for suffix in ("ckpt", "npz", "py", "pt", "safetensors", "json", "toml", "lib"):
        (tmp_path / f"zero.{suffix}").symlink_to("/dev/zero")
    err = refused(READ[what], f"{tmp_path}/zero", names, capsys)
    assert "it is a device, not a regular file" in err


def test_a_report_skips_fifos(everything: Path, tmp_path: Path, capsys) -> None:
    os.mkfifo(everything / "pipe.json")
    assert cli.main(["report", str(everything), "-o", str(tmp_path / "o.html")]) == 0
    skipped = "skipped pipe.json: cannot be read: it is a FIFO, not a regular file"
    assert skipped in capsys.readouterr().out


def test_states_and_cores_in_fifos_are_not_waited_for(names: dict[str, str], tmp_path: Path, capsys) -> None:
    os.mkfifo(tmp_path / "o.ckpt.training")
    arguments = ["compress", "{net}:small", "--data", "digits", "-o", "{tmp}/o.ckpt", "--epochs", "1"]
    assert "it is a FIFO, not a regular file" in refused(arguments, "", names, capsys)


def test_a_state_whose_name_is_too_long(names: dict[str, str], tmp_path: Path, capsys) -> None:
    """The checkpoint's own is not."""
    arguments = ["compress", "{net}:small", "--data", "digits", "-o", "{tmp}/{}", "--epochs", "1"]
    assert "File name too long" in refused(arguments, "x" * 250, names, capsys)


def test_long_paths_are_cut_in_messages() -> None:
    assert shown("a/b.ckpt") == "a/b.ckpt"
    assert shown("x" * 5000) == f"{'x' * 512}... (5,000 characters)"
