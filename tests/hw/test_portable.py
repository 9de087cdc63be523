"""Other people's tools on the Verilog: they have nothing to say of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from shiftbook.golden.spec import PRESETS, Spec
from shiftbook.hw.engine.engine import Engine
from shiftbook.hw.portable import portable
from shiftbook.hw.verilog import emit
from shiftbook.sim import board
from shiftbook.sim.verilator import find_tools
from shiftbook.synth.flow.yosys import find_yosys
from tests.hw.small import ODD, SHIFT

SPECS = {
    "small": SHIFT,
    "odd": ODD,
    "odd parity": replace(ODD, bus_parity=True),
    "on chip": replace(SHIFT, tensor_kib=1, bus_parity=True),
    "tiny": PRESETS["shift"].on_grid(2, 2),
    "tiny shift4": PRESETS["shift4"].on_grid(2, 2),
    **PRESETS,
}
QUICK = (
    *(
        ("small", "engine"),
        ("small", "accelerator"),
        ("odd parity", "accelerator"),
        ("on chip", "accelerator"),
    ),
    *(("tiny shift4", "engine"), ("shift", "accelerator")),
)
EVERY = [
    pytest.param(name, part, marks=() if (name, part) in QUICK else pytest.mark.slow)
    for name in SPECS
    for part in ("engine", "accelerator")
]


def text_of(spec: Spec, part: str) -> str:
    return emit(Engine(spec), part) if part == "engine" else board.verilog(spec)


def lint(text: str, top: str, folder: Path) -> str:
    """What Verilator says with all warnings, its report of sizes and times left out."""
    (folder / "design.v").write_text(text)
    tools = find_tools()
    done = subprocess.run(
        [tools.verilator, "--lint-only", "-Wall", "--top-module", top, "design.v"],
        cwd=folder,
        env={**os.environ, "VERILATOR_ROOT": str(tools.root)},
        capture_output=True,
        text=True,
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("- ")]
    assert bool(said) == bool(done.returncode)
    return "\n".join(said)


@pytest.mark.parametrize(("name", "part"), EVERY)
def test_verilator_has_nothing_to_say(name: str, part: str, tmp_path: Path) -> None:
    assert lint(text_of(SPECS[name], part), part, tmp_path) == ""


@pytest.fixture(scope="module")
def accelerator() -> str:
    return board.verilog(SHIFT)


@pytest.mark.parametrize(
    ("added", "kind"),
    [
        ("  input forgotten;\n", "UNUSEDSIGNAL"),
        ("  reg [3:0] forgotten;\n  always @(posedge clk) forgotten <= 4'd1;\n", "UNUSEDSIGNAL"),
        ("  reg [3:0] shortened;\n  always @(posedge clk) shortened <= 5'd1;\n", "WIDTHTRUNC"),
        ("  wire never;\n  assign m_axi_awid = never;\n", "UNDRIVEN"),
    ],
)
def test_a_fault_is_seen_in_spite_of_the_waivers(
    accelerator: str, added: str, kind: str, tmp_path: Path
) -> None:
    head, end, rest = accelerator.partition("endmodule\n")
    head = head.replace("module accelerator(", "module accelerator(forgotten, ") if "input" in added else head
    assert f"%Warning-{kind}" in lint(head + added + end + rest, "accelerator", tmp_path)


@pytest.mark.skipif(not shutil.which("iverilog"), reason="Icarus Verilog is not installed")
@pytest.mark.parametrize("standard", ["2005", "2012"])
def test_icarus_has_nothing_to_say(accelerator: str, standard: str, tmp_path: Path) -> None:
    (tmp_path / "design.v").write_text(accelerator)
    command = ["iverilog", f"-g{standard}", "-Wall", "-s", "accelerator", "-o", "design", "design.v"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_yosys_finds_no_fault(accelerator: str) -> None:
    script = ["read_verilog design.v", "hierarchy -check -top accelerator", "proc", "check -assert"]
    find_yosys().run(script, {"design.v": accelerator})


def test_a_case_without_an_arm_for_each_value_says_so() -> None:
    text = """module m(a);
    (* full_case = 32'd1 *)
    casez (a)
      1'h0:
        casez (b)
          1'h0:
            x = y;
        endcase
      default:
        x = z;
    endcase
    (* full_case = 32'd1 *)
    casez (a)
      1'h1:
        x = y;
    endcase
    casez (a)
      1'h1:
        x = y;
      default:
        x = z;
    endcase
endmodule
"""
    lines = [line for line in portable(text).splitlines() if not line.startswith("/")]
    before = text.splitlines()
    assert [line for line in lines if line not in before] == ["          default: ;"]
    assert lines[lines.index("          default: ;") + 1] == "        endcase"


def test_numbers_of_no_bits_are_left_out(accelerator: str) -> None:
    assert "[-1:0]" not in accelerator
    text = "module m();\n  wire [-1:0] \\none.at ;\n  wire [1:0] some;\n  wire [-1:0] none;\nendmodule\n"
    kept = [line for line in portable(text).splitlines() if not line.startswith("/")]
    assert kept == ["module m();", "  wire [1:0] some;", "endmodule"]


def test_whatever_wakes_the_processes_changes_when_they_wait(accelerator: str) -> None:
    """Otherwise outputs that depend on nothing that changes stay unknown in SystemVerilog."""
    woken = set(re.findall(r"^    if \((\\\$auto\S+) \) begin end$", accelerator, re.MULTILINE))
    assert woken
    assert woken == set(re.findall(r"^  initial (\S+) <= 0;$", accelerator, re.MULTILINE))


def test_constants_are_assigned_when_the_processes_wake() -> None:
    """A process without an input would never run: it would assign nothing."""
    constant = re.compile(r"^  always @\*\n +\S+ = \d+'\S+;$", re.MULTILINE)
    text = text_of(SPECS["odd parity"], "accelerator")
    assert "$constant$" in text
    assert not constant.search(text)
    assert not constant.search(text_of(SPECS["small"], "engine"))
