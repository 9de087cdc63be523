"""The option --tensor-buffer: what build says of it, the bench of what it wrote, and what cannot be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from shiftbook import cli
from shiftbook.golden.spec import DEFAULT
from shiftbook.golden.storage.checkpoint import save
from shiftbook.options.engine import EngineGroup
from shiftbook.sim import simulator
from shiftbook.sim.simulator import SimulationError
from shiftbook.synth.flow.gates import engine_spec
from tests.shiftbook.test_inspect import refused
from tests.sim.networks import doubled


def test_the_option_is_a_spec() -> None:
    assert EngineGroup(tensor_buffer=32).spec() == replace(DEFAULT, tensor_kib=32)
    assert EngineGroup().spec() == engine_spec("shift") == DEFAULT
    assert DEFAULT.tensor_kib == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What build writes of a network with tensors that are parts of others."""
    folder, spec = tmp_path_factory.mktemp("buffer"), replace(DEFAULT, slots=1)
    save(doubled(spec), folder / "net.ckpt", spec)
    words = ["build", str(folder / "net.ckpt"), "-o", str(folder / "board"), "--lanes", "2x2"]
    assert cli.main([*words, "--tensor-buffer", "8"]) == 0
    return folder / "board"


def test_what_stays_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = replace(DEFAULT, slots=1)
    save(doubled(spec), tmp_path / "net.ckpt", spec)
    words = ["build", str(tmp_path / "net.ckpt"), "-o", str(tmp_path / "board"), "--lanes", "2x2"]
    assert cli.main([*words, "--tensor-buffer", "8"]) == 0
    out = capsys.readouterr().out
    described = json.loads((tmp_path / "board" / "map.json").read_text())
    stays = described["tensor_buffer"]
    spared = 8 * sum(stay["beats"] for stay in stays.values())
    assert f"tensor buffer of 8 KiB: {len(stays)} of " in out
    assert f"{spared:,} bytes are not moved" in out
    assert all(name in out for name in stays)
    assert not {described["input"], *described["outputs"]} & stays.keys()
    assert cli.main(words) == 0
    assert "tensor buffer" not in capsys.readouterr().out
    assert json.loads((tmp_path / "board" / "map.json").read_text())["tensor_buffer"] == {}


def test_the_bench_sees_what_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tensor is compared, and a wrong value of one on the chip is told."""
    verilog = (folder / "accelerator.v").read_text()
    inner = ("accelerator_host_port.layers", "accelerator_tensor_buffer.memory")
    built = simulator.build(verilog, "accelerator", public=("*", *inner))
    bench = folder / "bench"
    monkeypatch.syspath_prepend(str(bench))
    simulator.run(built, "bench", folder=bench)
    described = json.loads((folder / "map.json").read_text())
    inside = {name for name, tensor in described["tensors"].items() if "on_chip_after" in tensor}
    assert len(inside) > 3
    at = 0
    for name in json.loads((bench / "expected.json").read_text())["tensors"]:
        tensor = described["tensors"][name]
        if name in inside:
            break
        at += tensor["height"] * tensor["width"] * tensor["channels"]
    values = bytearray((bench / "expected.bin").read_bytes())
    values[at] ^= 1
    (bench / "expected.bin").write_bytes(values)
    with pytest.raises(SimulationError, match=f"tensor {name}, y 0, x 0, channel 0: expected"):
        simulator.run(built, "bench", folder=bench)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["gates", "--tensor-buffer", "32"],
            "the engine has no tensor buffer: --tensor-buffer needs --system",
        ),
        (
            ["verilog", "-o", "x.v", "--part", "engine", "--tensor-buffer", "32"],
            "the engine has no tensor buffer: --tensor-buffer needs --part accelerator",
        ),
        (["verilog", "-o", "x.v", "--tensor-buffer", "48"], "tensor_kib must be a power of two, not 48"),
        (
            ["verilog", "-o", "x.v", "--tensor-buffer", "-1"],
            "tensor_kib must be an integer in 0..4096, not -1",
        ),
        (
            ["verilog", "-o", "x.v", "--tensor-buffer", "8192"],
            "tensor_kib must be an integer in 0..4096, not 8192",
        ),
    ],
)
def test_what_cannot_be(arguments, message, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(capsys, arguments) == message
    assert not list(tmp_path.iterdir())
