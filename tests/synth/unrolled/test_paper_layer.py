"""The report on the paper's layer counts only what is tested, and adds up."""

import io
import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from rich.console import Console

from shiftbook.hw.engine.booth import Recoder
from shiftbook.synth.units.additive import DIM
from shiftbook.synth.units.feed import HuffmanFeed
from shiftbook.synth.units.shift import Shift
from shiftbook.synth.units.unit import Group
from shiftbook.synth.unrolled import layer_report, paper_layer
from shiftbook.synth.unrolled.paper_layer import METHODS, designs, paper_layer_report
from tests.synth.units.known import UNITS

SMALL = ("shift3", "focused_sums", "focused_huffman")


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """Three methods on a layer of 2 pixels, 2 channels and 6 inputs, with feeds of 3 decoders."""
    decoders = ((partial(HuffmanFeed, 3), 2 * 6 // 3),)
    methods = {name: METHODS[name] for name in SMALL}
    methods["focused_huffman"] = replace(methods["focused_huffman"], others=decoders)
    sizes = {"PIXELS": 2, "CHANNELS": 2, "INPUTS": 6, "MACS": 24, "FEED": 3, "METHODS": methods}
    sizes |= {"MEANS": ("focused_sums",), "PLAIN": ("shift3",)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sizes.items():
            patch.setattr(paper_layer, name, value)
        patch.setattr(paper_layer, "unrolled_all", here)
        return paper_layer_report(channels=2)


def here(jobs, seed, channels, progress) -> dict[tuple[str, float], Any]:
    """What processes of its own would not know of."""
    return {job: paper_layer.unrolled(*job, seed, channels) for job in jobs}


def test_only_tested_components_are_counted() -> None:
    """tests/synth/units walks `UNITS` and tests two others by name, tests/hw/engine a recoder."""
    for make in designs().values():
        known = make.func in UNITS
        known |= make.func in (HuffmanFeed, Recoder)
        known |= make.func is Group and make.args == (Shift, DIM)
        assert known, f"{make} has no test"


def test_every_unit_is_a_row() -> None:
    assert {method.unit for method in METHODS.values()} == set(UNITS)


def test_parts_add_up_to_the_layer(report: dict[str, Any]) -> None:
    for row in report["methods"].values():
        view = row["programmable"]
        total = sum(part["count"] * part["ge"] for part in view["parts"].values())
        assert view["layer_ge"] == round(total) > 0
        assert view["ge_per_mac"] == round(total / 24, 2)
        for graph in row["unrolled"].values():
            assert graph["layer_ge"] == round(graph["slice_ge"] * 2)
    coded = report["methods"]["focused_huffman"]["programmable"]
    feeds = coded["parts"]["focused_huffman part 0"]
    assert [part["count"] for part in coded["parts"].values()] == [4, 4]
    assert coded["memory_bits"] == 4 * feeds["memory_bits"] > 0


def test_ratios_and_costs_of_the_mean(report: dict[str, Any]) -> None:
    rows = report["methods"]
    base = rows["focused_sums"]["programmable"]
    assert base["ratio"] == 1
    assert rows["shift3"]["programmable"]["ratio"] == round(
        rows["shift3"]["programmable"]["layer_ge"] / base["layer_ge"], 3
    )
    (cost,) = report["mean"]
    assert cost["paper"] == 0.15
    assert cost["programmable"] == round(
        100 * (base["layer_ge"] / rows["shift3"]["programmable"]["layer_ge"] - 1), 2
    )
    assert cost["programmable"] > 10


def test_fewer_weights_are_fewer_gates(report: dict[str, Any]) -> None:
    for name in ("shift3", "focused_sums"):
        views = report["methods"][name]["unrolled"]
        assert views["0.2"]["layer_ge"] < views["1.0"]["layer_ge"]


def test_the_report_is_json_and_says_what_it_was_measured_with(report: dict[str, Any]) -> None:
    assert json.loads(json.dumps(report)) == report
    assert report["versions"]["yosys"].startswith("Yosys")
    assert (report["seed"], report["weights"]) == (0, "nand2.toml")


def test_the_table_shows_every_method(report: dict[str, Any]) -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(layer_report.paper_table(report))
    text = console.export_text()
    for row in report["methods"].values():
        assert row["title"] in text
    assert "+0.15 %" in text
