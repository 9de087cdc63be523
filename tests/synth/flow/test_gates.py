import hashlib
import io
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import PRESETS
from shiftbook.hw.engine.engine import Engine
from shiftbook.hw.engine.lane import make_lane
from shiftbook.hw.verilog import emit
from shiftbook.synth.flow import gates
from shiftbook.synth.flow.gates import engine_spec, gate_report
from shiftbook.synth.flow.measure import Measured, Ruler, measure
from shiftbook.synth.flow.merge import Design
from shiftbook.synth.flow.netlist import Module, Netlist
from shiftbook.synth.flow.report import gate_table
from shiftbook.synth.flow.weights import load_weights
from tests.synth import designs, expected_gates
from tests.synth.expected_gates import ENGINES, LANES, SLOTS


@pytest.fixture(scope="module")
def steps() -> list[tuple[int, int, str]]:
    return []


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, str]]) -> dict[str, Any]:
    library = tmp_path_factory.mktemp("liberty") / "tiny.lib"
    library.write_text(designs.TIMED_LIBERTY)
    return gate_report(
        LANES,
        slots=SLOTS,
        engines=ENGINES,
        liberty=[library],
        flat=False,
        progress=lambda *step: steps.append(step),
    )


def test_modules_add_up_to_the_engine(report: dict[str, Any]) -> None:
    for engine in report["engines"].values():
        modules = engine["modules"].values()
        assert sum(m["total_ge"] for m in modules) == pytest.approx(engine["total_ge"], abs=0.1)
        assert sum(m["memory_bits"] for m in modules) == engine["memory_bits"] > 0
        assert sum(m["total_area"] for m in modules) == pytest.approx(engine["total_area"], abs=0.1)
        memories = [memory for module in modules for memory in module["memories"]]
        bits = sum(m["count"] * m["words"] * m["bits"] for m in memories)
        assert bits == engine["memory_bits"]
        held = sum(m["count"] * m["ge"] for m in memories)
        assert held == pytest.approx(engine["memory_ge"], abs=1) == sum(m["memory_ge"] for m in modules)
        assert engine["whole_ge"] == pytest.approx(engine["total_ge"] + engine["memory_ge"], abs=0.02)
        assert engine["whole_area"] == pytest.approx(engine["total_area"] + engine["memory_area"], abs=0.02)
        assert 0 < engine["decoder_ge"] < engine["total_ge"]
        assert engine["ge_per_lane"] == pytest.approx(engine["total_ge"] / 4, abs=0.01)
        assert engine["ge_per_term"] == pytest.approx(engine["total_ge"] / 4 / SLOTS, abs=0.01)


def test_an_unknown_library_has_memories_by_the_area_of_all_gates(report: dict[str, Any]) -> None:
    engines = report["engines"].values()
    assert report["memories"] == "asap7"
    areas = {round(engine["memory_area"] / engine["memory_ge"], 6) for engine in engines}
    assert len(areas) == 1
    (of_a_ge,) = areas
    assert of_a_ge == pytest.approx(
        sum(engine["total_area"] for engine in engines) / sum(engine["total_ge"] for engine in engines),
        rel=0.05,
    ), "the one-slot lanes count too"


def test_delays_are_of_the_slowest_module(report: dict[str, Any]) -> None:
    for engine in report["engines"].values():
        slowest = max(module["delay"] for module in engine["modules"].values())
        assert engine["modules"][engine["delay_module"]]["delay"] == engine["delay"] == slowest > 0
        assert engine["flat_area"] is engine["flat_delay"] is None
    shift, int8 = (report["engines"][name] for name in ("shift", "int8"))
    assert shift["lane_delay"] == shift["modules"]["shift_lane"]["delay"]
    assert 0 < shift["lane_delay"] < int8["lane_delay"] == int8["modules"]["multiply_lane"]["delay"]
    assert report["ratios"]["shift"]["delay"] == round(shift["delay"] / int8["delay"], 4)


def test_lanes_are_found_and_counted(report: dict[str, Any]) -> None:
    shift, int8 = (report["engines"][name] for name in ("shift", "int8"))
    assert shift["modules"]["shift_lane"]["instances"] == 4
    assert shift["modules"]["shift_lane"]["ge"] == shift["lane_ge"]
    assert int8["modules"]["multiply_lane"]["ge"] == int8["lane_ge"]
    assert report["ratios"]["int8"] == dict.fromkeys(gates.RATIOS, 1.0)
    assert report["ratios"]["shift"]["lane"] == round(shift["lane_ge"] / int8["lane_ge"], 4)


def test_the_report_says_what_was_measured(report: dict[str, Any]) -> None:
    assert json.loads(json.dumps(report)) == json.loads(json.dumps(report, sort_keys=True))
    assert report["versions"]["yosys"].startswith("Yosys")
    assert report["liberty"] == "tiny.lib"
    verilog = emit(Engine(engine_spec("shift", LANES, SLOTS)), "engine")
    assert report["engines"]["shift"]["verilog_sha256"] == hashlib.sha256(verilog.encode()).hexdigest()
    assert report["engines"]["shift"]["spec"]["rows"] == 2


@pytest.mark.parametrize(
    ("full", "told"),
    [
        (
            "Yosys 0.70 (git sha1 28ba3cb92, Release, GNU /some/where/c++ 14.2.1)",
            "Yosys 0.70 (git sha1 28ba3cb92)",
        ),
        ("Yosys 0.9", "Yosys 0.9"),
    ],
)
def test_versions_name_no_path(full: str, told: str) -> None:
    assert gates.versions(full)["yosys"] == told


def test_progress_counts_every_step(report: dict[str, Any], steps: list[tuple[int, int, str]]) -> None:
    total = steps[-1][1]
    assert [step[0] for step in steps] == list(range(1, total + 1))
    assert {step[1] for step in steps} == {total}


def test_a_shift_lane_of_one_slot_is_at_most_0_72_of_the_multiplier(report: dict[str, Any]) -> None:
    """It was 0.68 until both lanes got the register between their sums and the accumulator."""
    lanes = report["one_slot_lanes"]
    assert lanes["ratio"] == round(lanes["shift_ge"] / lanes["int8_ge"], 4) <= 0.72


def test_the_table_shows_every_engine(report: dict[str, Any]) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(gate_table(report))
    text = console.export_text()
    for word in ("shift", "int8", "shift_lane", "multiply_lane", "tiny.lib", "lane, ps", "ratio 0.7"):
        assert word in text


def test_bad_requests_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(ShiftbookError, match=r"engines must be some of .*, not tpu"):
        gate_report(engines=("shift", "tpu"))
    with pytest.raises(ShiftbookError, match=r"engines must be some of .*, not none"):
        gate_report(engines=())
    with pytest.raises(ShiftbookError, match=r"rows must be an integer in 2\.\.32, not 33"):
        gate_report((33, 4))
    with pytest.raises(ShiftbookError, match="No such file"):
        gate_report(weights=tmp_path / "none.toml")


def test_pinned_gates(report: dict[str, Any]) -> None:
    expected = json.loads(expected_gates.FILE.read_text(encoding="utf-8"))
    counted = expected_gates.pinned(report)
    if counted["versions"] != expected["versions"]:
        pytest.skip(f"gates are pinned for {expected['versions']}, this is {counted['versions']}")
    assert counted == expected, "if meant, run: python -m tests.synth.expected_gates"


@pytest.mark.parametrize(
    ("lanes", "asked", "counted"),
    [((2, 2), None, True), ((3, 2), None, False), ((2, 2), False, False), ((3, 2), True, True)],
)
def test_small_engines_are_counted_without_hierarchy_too(
    lanes: tuple[int, int], asked: bool | None, counted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(designs: dict[str, Any], ruler: Ruler, *, flat: bool, progress: None) -> dict[str, Measured]:
        lane = Module({"$_NAND_": 1}, {})
        tree = {"engine": Module({}, {"engine_shift_lane": 6 if lanes == (3, 2) else 4})}
        gates = Netlist("engine", {**tree, "engine_shift_lane": lane}, "Yosys")
        whole = Netlist("engine", {"engine": Module({"$_NAND_": 7}, {})}, "Yosys") if flat else None
        return {name: Measured(Design("engine", ""), gates, flat=whole) for name in designs}

    monkeypatch.setattr(gates, "measure", measure)
    found = gate_report(lanes, engines=("shift",), flat=asked)["engines"]["shift"]
    assert found["flat_ge"] == (7.0 if counted else None)


def test_a_lane_costs_the_same_without_hierarchy() -> None:
    steps: list[tuple[int, int, str]] = []
    lane = partial(make_lane, replace(PRESETS["shift"], slots=1))
    found = measure({"lane": lane}, Ruler(load_weights()), flat=True, progress=lambda *s: steps.append(s))[
        "lane"
    ]
    assert found.flat is not None
    assert found.flat.cost(load_weights()) == pytest.approx(found.gates.cost(load_weights()), rel=0.05)
    assert [step[:2] for step in steps] == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.slow
def test_a_count_without_hierarchy_agrees() -> None:
    report = gate_report(LANES, slots=SLOTS, engines=ENGINES)
    for engine in report["engines"].values():
        assert engine["flat_ge"] == pytest.approx(engine["total_ge"], rel=0.05)


@pytest.mark.slow
def test_an_8x8_engine_stays_below_the_multiplier() -> None:
    report = gate_report(engines=("shift", "int8"))
    assert report["ratios"]["shift"]["total"] <= 0.8
