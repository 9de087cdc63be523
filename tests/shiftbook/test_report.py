"""`shiftbook report`: what is on the page, what is left out, and that it needs nothing but itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from shiftbook import cli
from shiftbook.report.reading import read_folder
from tests.shiftbook.results import (
    RESULTS,
    Page,
    compare,
    compress,
    engine,
    explained,
    gates,
    inspect,
    made,
    row,
    run,
    write,
)

SECTION = {
    "compare": "pareto",
    "gates": "gates",
    "run": "cycles",
    "inspect": "weights",
    "compress": "compression",
    "sweep": "studies",
}


@dataclass(frozen=True)
class Made:
    """A folder with a result of every command, its page and its plots."""

    folder: Path
    text: str
    plots: dict[str, bytes]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Made:
    top = tmp_path_factory.mktemp("whole")
    folder = write(top / "in", **{f"f{i}": make() for i, make in enumerate(RESULTS.values())})
    text = made(folder, "--plots", str(top / "plots"))
    return Made(folder, text, {path.name: path.read_bytes() for path in (top / "plots").iterdir()})


def test_it_needs_nothing_but_itself(whole: Made) -> None:
    text = whole.text
    page = Page(text)
    assert "://" not in text
    assert not re.search(r"@import|url\((?!#)", text)
    assert page.values("src") == []
    assert all(target.startswith("#") for target in page.values("href"))
    assert not {tag for tag, _ in page.attributes} & {"script", "link", "object", "iframe", "image"}


def test_ids_are_each_one_element(everything: Path) -> None:
    write(everything, again=compare(), more=inspect())
    text = made(everything)
    page = Page(text)
    identities = page.values("id")
    assert len(set(identities)) == len(identities)
    referred = [target[1:] for target in page.values("href")] + re.findall(r"url\(#([^)]*)\)", text)
    assert set(referred) <= set(identities)


@pytest.mark.parametrize("command", RESULTS)
def test_a_section_is_there_with_its_result(command: str, tmp_path: Path) -> None:
    page = Page(made(write(tmp_path / "in", x=RESULTS[command]())))
    there = set(page.values("id"))
    assert there & set(SECTION.values()) == {SECTION[command]}
    assert f"#{SECTION[command]}" in page.values("href")
    assert f"x.json {command}" in page.text


def test_with_memories_the_total_is_the_headline(tmp_path: Path) -> None:
    """Logic is a quarter of the baseline's and the total a half: 0.5 = 2,000 x 10 over 1,000 x 40."""
    rows = [
        row("runs/base.ckpt", "int8", 4000.0, 0.9, cycles=40, whole_ge=1000.0, whole_relative=1.0),
        row("runs/small.ckpt", "shift4", 1000.0, 0.895, cycles=10, whole_ge=2000.0, whole_relative=0.5),
    ]
    text = Page(made(write(tmp_path / "in", compare=compare(*rows)))).text
    assert "0.5× logic and memories × cycles of base small on the shift4 engine" in text
    assert "Accuracy against total × cycles" in text
    assert "89.50 % 0.500 0.250 10 2,000 10" in text


def test_figures_are_those_of_the_results(whole: Made) -> None:
    text = Page(whole.text).text
    assert "0.25× gates × cycles of base small on the two_term engine" in text
    assert "89.50 % accuracy of small on 40 images base has 90.00 %" in text
    assert "501 of 501 bytes" in text
    said = "0.616× logic and memories of the int8 engine: shift its logic is 0.451×, its lane 0.333×"
    assert said in text
    assert "0 mismatches between RTL and model 12,345 integers compared: small" in text
    assert "Accuracy against gates × cycles" in text
    assert "On the front: small, base." in text
    assert "shift 2,050 0.62 1,050 0.45 10 0.33 16 4 2,048" in text
    assert "Memories: asap7." in text
    assert "multiply_lane 1,920 (64)" in text
    assert "small zoo:digits focused 5 0.2 3 0 97.00 % 96.25 % 40 10.50× 3.000 75" in text
    assert "focused · 100 weights · 60 % zero · 3.00 bits per weight" in text
    assert "-12.0 ± 4.0, +12.0 ± 0.0 · separation 3.25" in text
    assert "small study 5 points, 2 on the front, 1 failed. Search: grid, seed 0." in text
    assert "Constraints: accuracy at least 0.8." in text
    assert "On the front: 0, 3." in text
    assert "3 digits focused 0.5 two_term 93.75 % 4,500 front" in text
    assert "2 digits focused 0.2 two_term – – failed" in text
    assert "Yosys 0.70 · amaranth 0.5.10" in text


def test_plots_show_what_they_are_about(whole: Made) -> None:
    page = Page(whole.text)
    plots = {name for tag, found in page.attributes if tag == "svg" for name in [found.get("aria-label")]}
    assert plots == {
        "Accuracy against gates × cycles",
        "Accuracy against stored bytes",
        "Gates by module",
        "Memories by module",
        "Cycles per image by layer, counted by the RTL",
        "conv1: integer weights",
        "head: integer weights",
        "accuracy and cycles",
        "Each point as a line",
        "Hypervolume as the search went on",
    }
    for drawn in ("lanes", "rotator", "issue", "stream wait", "output wait", "drain", "input wait"):
        assert drawn in page.text


def test_the_golden_model_knows_less_of_cycles(tmp_path: Path) -> None:
    page = Page(made(write(tmp_path / "in", x=run(rtl=False))))
    assert "Cycles per image by layer, by the cycle model" in page.text
    assert "in tiles" in page.text
    assert "stream wait" not in page.text


def test_where_lane_slot_cycles_go(tmp_path: Path) -> None:
    page = Page(made(write(tmp_path / "in", x=explained())))
    assert "Lane-slot-cycles by layer, by the cycle model" in page.text
    assert "no images" in page.text
    for drawn in ("all layers", "conv1", "useful", "idle", "skips", "slot wait", "drain", "bus", "fill"):
        assert drawn in page.text
    assert [share for share in ("100.0 %", "25.0 %", "75.0 %") if share not in page.text] == []
    partly = explained()
    del partly["layers"][0]["spent"]
    page = Page(made(write(tmp_path / "partly", x=partly)))
    assert "Lane-slot-cycles by layer" not in page.text


def test_without_cycles_or_accuracy_the_page_says_so(tmp_path: Path) -> None:
    refused = {"name": "", "cycles": None, "micro_ops": None, "utilization": None, "note": "too wide"}
    nothing = {**run(rtl=False), "cycles": None, "utilization": None, "layers": [refused]}
    blind = compare(row("a.ckpt", "int8", 4000.0, None), row("b.ckpt", "two_term", 1000.0, None))
    page = Page(made(write(tmp_path / "in", x=nothing, y=blind)))
    assert "No cycles by layer" in page.text
    assert "Without an accuracy" in page.text
    assert [tag for tag, _ in page.attributes].count("svg") == 0


def test_what_is_no_result_is_skipped_and_said(tmp_path: Path, capsys) -> None:
    everything = write(tmp_path / "in", right=compress())
    (everything / "broken.json").write_text('{"rows": [')
    (everything / "latin.json").write_bytes(b'{"a": "\xe9"}')
    (everything / "deep.json").write_text("[" * 100_000)
    (everything / "folder.json").mkdir()
    (everything / "notes.txt").write_text("nothing of ours")
    write(everything, foreign={"rows": 3}, number=3)
    page = Page(made(everything))
    out = capsys.readouterr().out
    for name, reason in {
        "broken.json": "no JSON: Expecting value",
        "latin.json": "no JSON: 'utf-8' codec can't decode",
        "deep.json": "no JSON: ",
        "folder.json": "cannot be read: Is a directory",
        "foreign.json": "not what compare, gates, run, inspect, compress, sweep write",
        "number.json": "not what compare, gates, run, inspect, compress, sweep write",
    }.items():
        assert f"{name} skipped: {reason}" in page.text
        assert f"skipped {name}: {reason}" in out
    assert "notes.txt" not in page.text
    assert out.count("\n") == 7


@pytest.mark.parametrize(
    ("command", "path", "value", "reason"),
    [
        ("compare", ("rows",), [], "rows: List should have at least 1 item"),
        ("compare", ("rows", 0, "ge"), "many", "rows.0.ge: Input should be a valid number"),
        ("compare", ("rows", 1, "accuracy"), 1.5, "rows.1.accuracy: Input should be less than or equal to 1"),
        ("compare", ("rows", 1, "cycles"), -1, "rows.1.cycles: Input should be greater than or equal to 0"),
        ("compare", ("rows", 0, "gate_cycles"), 1e999, "no JSON: Infinity"),
        ("gates", ("engines",), {}, "engines: Dictionary should have at least 1 item"),
        (
            "gates",
            ("engines", "shift", "modules"),
            None,
            "engines.shift.modules: Input should be a valid dict",
        ),
        ("run", ("layers", 0, "cycles"), True, "layers.0.cycles: Input should be a valid integer"),
        ("inspect", ("layers", 0, "counts"), [1], "has 4 integers and 1 counts"),
        ("inspect", ("layers", 0, "integers"), [3, 2, 1, 0], "must have ascending integers"),
        ("inspect", ("layers", 0, "levels"), [10**9], "layers.0.levels.0: Input should be less than 32768"),
        ("compress", ("ratio",), None, "ratio: Input should be a valid number"),
    ],
)
def test_what_does_not_fit_is_skipped(
    command: str, path: tuple[Any, ...], value: object, reason: str, tmp_path: Path
) -> None:
    wrong = RESULTS[command]()
    inner = wrong
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    results = read_folder(write(tmp_path / "in", wrong=wrong, right=compress()))
    assert [result.file for result in results.found] == ["right.json"]
    ((file, why),) = results.skipped
    assert file == "wrong.json"
    assert reason in why


def test_an_older_inspect_says_what_it_lacks(tmp_path: Path) -> None:
    older = inspect()
    del older["layers"][0]["counts"]
    results = read_folder(write(tmp_path / "in", older=older, right=gates()))
    ((_, why),) = results.skipped
    assert why.endswith("layers.0.counts: Field required; write it again with this shiftbook")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "is not there: name the folder"),
        (
            {},
            "write some there with --json FILE (compare, gates, run, inspect, compress, sweep)",
        ),
        ({"x": [1]}, "compress, sweep); x.json: not what compare"),
    ],
)
def test_a_folder_without_results_is_one_line(
    files: dict[str, object] | None, message: str, tmp_path: Path, capsys
) -> None:
    folder = tmp_path / "in"
    if files is not None:
        write(folder, **files)
    assert cli.main(["report", str(folder), "-o", str(tmp_path / "x.html")]) == cli.USER_ERROR
    out, error = capsys.readouterr()
    assert out == ""
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "x.html").exists()


def test_other_mistakes_are_one_line(everything: Path, tmp_path: Path, capsys) -> None:
    file, page = str(everything / "f0.json"), str(tmp_path / "x.html")
    for arguments, message in (
        ([file, "-o", page], "is a file: name the folder"),
        ([str(everything), "-o", str(tmp_path / "no" / "x.html")], "there is no folder"),
        ([str(everything), "-o", page, "--format", "png"], "add --plots FOLDER"),
        ([str(everything), "-o", page, "--plots", file], "cannot make the folder"),
    ):
        assert cli.main(["report", *arguments]) == cli.USER_ERROR
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_nothing_but_zeros_is_no_reason_to_fail(tmp_path: Path) -> None:
    nothing = {"cycles": 0, "busy": 0, "issue": 0, "stream_wait": 0, "output_wait": 0, "load_wait": 0}
    pruned = {"integers": [0], "counts": [100], "levels": [], "components": None, "density": 0.0}
    folder = write(
        tmp_path / "in",
        a=compare(row("a.ckpt", "int8", 0.0, 0.0, stored_bits=0)),
        b={**run(), "layers": [{"name": "conv1", **nothing}]},
        c={**inspect(), "layers": [{**inspect()["layers"][0], **pruned}]},
        d={**gates(), "engines": {"shift": {**engine(0.0, kind="shift"), "modules": {}}}, "ratios": {}},
    )
    page = Page(made(folder))
    assert "skipped" not in page.text
    assert [tag for tag, _ in page.attributes].count("svg") == 4


NASTY = "</style><b>&\"'$x$_1^2{% raw %}\u0001\ud800💥"


def test_names_are_text(tmp_path: Path) -> None:
    """Names that are markup, mathematics, templates or no characters at all."""
    path = f"runs/{NASTY}.ckpt"
    folder = write(
        tmp_path / "in",
        a=compare(row(path, "int8", 4000.0, 0.9), row("<b>.ckpt", "two_term", 100.0, 0.8, scheme=NASTY)),
        b=run(path),
        c=inspect(path, layer=NASTY),
        d=compress(path),
        e={**gates(), "weights": NASTY, "versions": {NASTY: NASTY}},
    )
    text = made(folder)
    page = Page(text)
    assert "b" not in {tag for tag, _ in page.attributes}
    assert "<b>" in page.text
    assert "b>&\"'$x$_1^2{% raw %}��💥" in page.text
    assert any("$x$_1^2" in drawn for drawn in page.drawn)
    assert text.count("<style>") == 1
    assert text.count("</style>") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names of files")
def test_names_of_files_are_text(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", right=compress())
    (folder / os.fsdecode(b"<i>\xff\n.json")).write_text("{")
    page = Page(made(folder))
    assert "<i>��.json skipped" in page.text
    assert "i" not in {tag for tag, _ in page.attributes}


def test_the_same_results_give_the_same_bytes(whole: Made, tmp_path: Path) -> None:
    """In another process too, whatever its hashes and the user's own settings."""
    (tmp_path / "matplotlibrc").write_text("axes.linewidth: 5\ngrid.linestyle: :\n")
    environment = {**os.environ, "PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}
    page, plots = tmp_path / "again.html", tmp_path / "plots"
    again = [sys.executable, "-m", "shiftbook", "report", str(whole.folder), "-o", str(page)]
    subprocess.run([*again, "--plots", str(plots)], env=environment, check=True, capture_output=True)
    assert page.read_text() == whole.text
    assert {path.name: path.read_bytes() for path in plots.iterdir()} == whole.plots


PLOTS = ("f0.accuracy-bytes", "f0.accuracy-gates-cycles", "f1.gates", "f1.memory", "f2.cycles")
PLOTS += ("f3.weights-001", "f3.weights-002", "f5.accuracy-cycles", "f5.hypervolume", "f5.lines")


def test_plots_apart(whole: Made) -> None:
    assert sorted(whole.plots) == [f"{name}.svg" for name in PLOTS]
    for data in whole.plots.values():
        assert ElementTree.fromstring(data).tag == "{http://www.w3.org/2000/svg}svg"


def test_plots_as_pixels(tmp_path: Path, capsys) -> None:
    folder = tmp_path / "new" / "plots"
    made(write(tmp_path / "in", f1=gates()), "--plots", str(folder), "--format", "png")
    assert "results 1, plots 2" in capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == ["f1.gates.png", "f1.memory.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG\r\n") for path in folder.iterdir())


def test_results_whose_names_are_alike_keep_their_plots_apart(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", **{"a b": run(), "a-b": run(), "a+b": run()})
    made(folder, "--plots", str(tmp_path / "plots"))
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    assert names == {"a-b.cycles.svg", "a-b-2.cycles.svg", "a-b-3.cycles.svg"}


@pytest.mark.slow
def test_results_of_a_real_run(checkpoint: Path, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write(folder, gates=gates())
    ckpt, engines = str(checkpoint), ["--gates", str(folder / "gates.json"), "--engines", "int8,shift"]
    for arguments in (
        ["compare", ckpt, *engines, "--data", str(data), "--json", str(folder / "a.json")],
        ["run", ckpt, "--data", str(data), "--json", str(folder / "b.json")],
        [
            "run",
            ckpt,
            "--data",
            str(data),
            "--backend",
            "rtl",
            "--limit",
            "1",
            "--json",
            str(folder / "c.json"),
        ],
        ["inspect", ckpt, "--json", str(folder / "d.json")],
    ):
        assert cli.main(arguments) == 0
    page = Page(made(folder))
    assert "skipped" not in page.text
    assert {"pareto", "gates", "cycles", "weights"} <= set(page.values("id"))
    counted = json.loads((folder / "c.json").read_text())
    assert f"{counted['compared']:,} integers compared: small" in page.text


def test_other_commands_do_not_wait_for_plots() -> None:
    code = "import sys, shiftbook.cli; print({'matplotlib', 'jinja2', 'shiftbook.report'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"
