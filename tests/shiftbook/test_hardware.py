"""`shiftbook gates`, `verilog` and `demo`."""

import json
import re

import pytest

from shiftbook import cli
from shiftbook.golden.spec import PRESETS
from tests.shiftbook.test_inspect import refused


def test_gates(tmp_path, capsys):
    report = tmp_path / "gates.json"
    arguments = ["gates", "--lanes", "3x2", "--engine", "int8", "--json", str(report)]
    arguments += ["--slots", "3", "--requantizers", "2"]
    assert cli.main(arguments) == 0, "tests of the report itself are in tests/synth"
    found, out = json.loads(report.read_text()), capsys.readouterr().out
    assert set(found["engines"]) == {"int8"}
    for name, engine in found["engines"].items():
        assert 0 < engine["lane_ge"] < engine["total_ge"]
        assert engine["memory_bits"] > 0
        assert engine["modules"]
        assert (engine["spec"]["rows"], engine["spec"]["cols"]) == (3, 2)
        assert (engine["spec"]["slots"], engine["spec"]["requantizers"]) == (3, 2)
        assert name in out
    assert {"yosys", "amaranth", "shiftbook"} <= set(found["versions"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lanes", "33x3"], "rows must be an integer in 2..32, not 33"),
        (["--slots", "0"], "slots must be an integer in 1..16, not 0"),
        (["--fpga", "ecp5", "--slots", "2"], "--slots does not go with --fpga: leave it out"),
        (["--weights", "missing.toml"], "missing.toml"),
        (["--liberty", "missing.lib"], "missing.lib"),
        (
            ["--tech", "tsmc5"],
            "a technology must be one of asap7, gf180mcu, ihp-sg13g2, nangate45, sky130hd, not",
        ),
        (
            ["--tech", "asap7"],
            "asap7 needs its cell library, and SHIFTBOOK_ASAP7 is not set: get the repository",
        ),
        (["--tech", "asap7", "--liberty", "x.lib"], "--tech asap7 names a cell library, as --liberty does"),
        (["--fpga", "ecp5", "--tech", "asap7"], "--tech does not go with --fpga: leave it out"),
        (
            ["--engine", "tpu"],
            "engines must be some of shift, shift4, int8, int8_sparse, focused, two_term, not tpu",
        ),
        (["--fpga", "ecp5", "--liberty", "x.lib"], "--liberty does not go with --fpga: leave it out"),
        (["--fpga", "zynq"], "an FPGA must be one of ecp5, ice40, up5k, not 'zynq'"),
        (["--json", "no/folder/x.json"], "there is no folder"),
        (["--bus-parity"], "the engine has no bus: --bus-parity needs --system"),
    ],
)
def test_gates_of_nothing(options, message, capsys, monkeypatch):
    monkeypatch.delenv("SHIFTBOOK_ASAP7", raising=False)
    assert message in refused(capsys, ["gates", *options])


@pytest.mark.parametrize("part", ["engine", "accelerator"])
def test_verilog(part, tmp_path, capsys):
    path, report = tmp_path / "out.v", tmp_path / "out.json"
    arguments = ["verilog", "--lanes", "2x2", "--preset", "focused", "--part", part]
    arguments += ["-o", str(path), "--json", str(report), "--slots", "2"]
    assert cli.main(arguments) == 0
    text, found = path.read_text(), json.loads(report.read_text())
    modules = re.findall(r"^module (\w+)", text, re.MULTILINE)
    assert modules.count(part) == 1
    assert len(modules) == len(set(modules)) == found["modules"]
    assert found["spec"]["slots"] == 2
    assert found["spec"]["terms"] == [list(span) for span in PRESETS["focused"].terms]
    assert f"top module {part}" in capsys.readouterr().out
    if part == "engine":
        assert cli.main(arguments) == 0
        assert path.read_text() == text, "same options, same text"


def test_verilog_of_a_bus_with_parity(tmp_path, capsys):
    path = tmp_path / "out.v"
    assert cli.main(["verilog", "--lanes", "2x2", "--bus-parity", "-o", str(path)]) == 0
    top = re.search(r"^module accelerator\(.*?^endmodule", path.read_text(), re.MULTILINE | re.DOTALL)[0]
    assert re.search(r"^  input \[7:0\] m_axi_rdatachk;", top, re.MULTILINE)
    assert re.search(r"^  output \[7:0\] m_axi_wdatachk;", top, re.MULTILINE)
    capsys.readouterr()
    message = refused(capsys, ["verilog", "--part", "engine", "--bus-parity", "-o", str(path)])
    assert "the engine has no bus: --bus-parity needs --part accelerator" in message


def test_verilog_to_nowhere(tmp_path, capsys):
    message = refused(capsys, ["verilog", "-o", str(tmp_path / "no" / "engine.v")])
    assert "there is no folder" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--images", "0"], "the number of images must be at least 1, not 0"),
        (["--lanes", "1x8"], "rows must be an integer in 2..32, not 1"),
        (["--output", "/dev/null/demo"], "cannot make the folder /dev/null/demo"),
    ],
)
def test_demo_that_cannot_be(options, message, capsys):
    assert message in refused(capsys, ["demo", *options])


@pytest.mark.slow
def test_demo(tmp_path, capsys):
    folder, report = tmp_path / "out", tmp_path / "demo.json"
    assert cli.main(["demo", "--output", str(folder), "--images", "64", "--json", str(report)]) == 0
    found = json.loads(report.read_text())
    assert found["float_accuracy"] - found["accuracy"] <= 0.01
    assert found["ratio"] >= 10
    assert (found["images"], found["mismatches"]) == (64, 0)
    engines = {engine["engine"]: engine for engine in found["engines"]}
    assert engines["shift"]["cycles"] == found["cycles"]
    assert {"shift", "focused", "int8", "int8_sparse"} <= set(engines)
    names = {"digits.ckpt", "compress.json", "inspect.json", "run.json", "gates.json", "demo.json"}
    assert {path.name for path in folder.iterdir()} == names
    assert "mismatches 0 in " in capsys.readouterr().out
    assert cli.main(["report", str(folder), "-o", str(tmp_path / "report.html")]) == 0
    skipped, done = capsys.readouterr().out.splitlines()
    assert skipped.startswith("skipped demo.json: ")
    assert "report.html: results 4, plots " in done
