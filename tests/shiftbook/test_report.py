"""`shiftbook report`: what is on the page, what is left out, and that it needs nothing but itself."""

from __future__ import annotations

import html
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftbook import cli
from shiftbook.report.cycles import _counted
from shiftbook.report.palette import COLOURS, HUES
from shiftbook.report.pareto import front
from shiftbook.report.reading import read_folder, short_names
from shiftbook.report.schema import Counters, Row
from shiftbook.report.summary import baseline, best
from shiftbook.report.weights import cells
from tests.shiftbook.results import RESULTS, Page, compare, compress, engine, gates, inspect, row, run, write

SECTION = {
    "compare": "pareto",
    "gates": "gates",
    "run": "cycles",
    "inspect": "weights",
    "compress": "compression",
}


def made(folder: Path, *options: str) -> str:
    """The page that the command makes of a folder."""
    page = folder.parent / "report.html"
    assert cli.main(["report", str(folder), "-o", str(page), *options]) == 0
    return page.read_text(encoding="utf-8")


@pytest.fixture
def everything(tmp_path: Path) -> Path:
    return write(tmp_path / "in", **{f"f{i}": make() for i, make in enumerate(RESULTS.values())})


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


def test_figures_are_those_of_the_results(whole: Made) -> None:
    text = Page(whole.text).text
    assert "0.25× gates × cycles of base small on the pair engine" in text
    assert "89.50 % accuracy of small on 40 images base has 90.00 %" in text
    assert "501 of 501 bytes" in text
    assert "0.451× gates of the int8 engine: shift its lane is 0.333×" in text
    assert "0 mismatches between RTL and model 12,345 integers compared: small" in text
    assert "Accuracy against gates × cycles" in text
    assert "On the front: small, base." in text
    assert "shift 10 0.33 1,050 0.45 16 4 2,048" in text
    assert "multiply_lane 1,920 (64)" in text
    assert "small zoo:digits focused 5 0.2 3 0 97.00 % 96.25 % 40 10.50× 3.000 75" in text
    assert "focused · 100 weights · 60 % zero · 3.00 bits a weight" in text
    assert "-12.0 ± 4.0, +12.0 ± 0.0 · separation 3.25" in text
    assert "Yosys 0.70 · amaranth 0.5.10" in text


def test_plots_show_what_they_are_about(whole: Made) -> None:
    page = Page(whole.text)
    plots = {name for tag, found in page.attributes if tag == "svg" for name in [found.get("aria-label")]}
    assert plots == {
        "Accuracy against gates × cycles",
        "Accuracy against stored bytes",
        "Gates by module",
        "Memory bits by module",
        "Cycles of an image by layer, counted by the RTL",
        "conv1: integer weights",
        "head: integer weights",
    }
    for drawn in ("lanes", "rotator", "issue", "stream wait", "output wait", "drain", "input wait"):
        assert drawn in page.text


def test_the_golden_model_knows_less_of_cycles(tmp_path: Path) -> None:
    page = Page(made(write(tmp_path / "in", x=run(rtl=False))))
    assert "Cycles of an image by layer, by the cycle model" in page.text
    assert "in tiles" in page.text
    assert "stream wait" not in page.text


def test_without_cycles_or_accuracy_the_page_says_so(tmp_path: Path) -> None:
    refused = {"name": "", "cycles": None, "terms": None, "utilization": None, "note": "too wide"}
    nothing = {**run(rtl=False), "cycles": None, "utilization": None, "layers": [refused]}
    blind = compare(row("a.ckpt", "int8", 4000.0, None), row("b.ckpt", "pair", 1000.0, None))
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
        "foreign.json": "not what compare, gates, run, inspect, compress write",
        "number.json": "not what compare, gates, run, inspect, compress write",
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
        ({}, "holds no result: write some there with --json FILE (compare, gates, run, inspect, compress)"),
        ({"x": [1]}, "compress); x.json: not what compare"),
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
        a=compare(row(path, "int8", 4000.0, 0.9), row("<b>.ckpt", "pair", 100.0, 0.8, scheme=NASTY)),
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
PLOTS += ("f3.weights-001", "f3.weights-002")


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


Costs = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12)


@given(Costs)
def test_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    def beaten(a: tuple[int, int]) -> bool:
        return any(b[0] <= a[0] and b[1] >= a[1] and b != a for b in points)

    found = front(points)
    assert sorted(found) == [i for i, point in enumerate(points) if not beaten(point)]
    assert [points[i] for i in found] == sorted(points[i] for i in found)


def test_the_best_point_keeps_the_accuracy() -> None:
    rows = [
        Row.model_validate(row(name, engine, cost, accuracy))
        for name, engine, cost, accuracy in (
            ("cheap", "pair", 10.0, 0.5),
            ("base", "int8", 4000.0, 0.9),
            ("good", "pair", 1000.0, 0.89),
            ("dear", "pair", 2000.0, 0.95),
        )
    ]
    assert baseline(rows).checkpoint == "base"
    assert best(rows).checkpoint == "good"
    for accuracy in (k / 200 for k in range(2, 201)):  # just a point less is not too much
        pair = [rows[1].model_copy(update={"accuracy": accuracy})]
        pair += [rows[2].model_copy(update={"accuracy": (round(200 * accuracy) - 2) / 200})]
        assert best(pair).checkpoint == "good"
    blind = [each.model_copy(update={"accuracy": None}) for each in rows]
    assert best(blind).checkpoint == "cheap"
    assert baseline(rows[2:]).checkpoint == "good"


@given(st.lists(st.integers(-128, 127), min_size=1, max_size=20, unique=True), st.booleans())
def test_cells_hold_their_values_and_do_not_meet(values: list[int], across: bool) -> None:
    values = sorted(value for value in values if value or across)
    found = cells(values, across)
    assert len(found) == len(values)
    assert all(low < value < high for value, (low, high) in zip(values, found, strict=True))
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(found))
    assert across or not any(low < 0 < high for low, high in found)


Count = st.integers(0, 50)


@given(Count, Count, Count, Count, Count, Count)
def test_parts_of_a_layer_add_up_to_its_cycles(cycles, busy, issue, stream, output, load) -> None:
    layer = Counters(
        name="x",
        cycles=cycles,
        busy=busy,
        issue=issue,
        stream_wait=stream,
        output_wait=output,
        load_wait=load,
    )
    parts = _counted(layer)
    assert sum(parts) == cycles
    assert min(parts) >= 0


def test_checkpoints_of_one_name_are_told_by_their_paths() -> None:
    assert short_names(["a/x.ckpt", "b/x.ckpt", "c/y.ckpt"]) == ["a/x.ckpt", "b/x.ckpt", "y"]


def test_other_commands_do_not_wait_for_plots() -> None:
    code = "import sys, shiftbook.cli; print({'matplotlib', 'jinja2', 'shiftbook.report'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"


def test_colours_that_plots_use_are_all_different() -> None:
    assert len({pair[0] for pair in COLOURS.values()}) == len(COLOURS)


SEEN_BY = {
    "most": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopes": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopes": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "tritanopes": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039],
    ],
}
"""On linear RGB. Source: Machado, Oliveira and Fernandes, A Physiologically-based Model, 2009; severity 1."""

TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])


def _lab(colour: str, sight: str) -> np.ndarray:
    """CIE L*a*b* of a colour as it is seen."""
    coded = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(SEEN_BY[sight] @ linear, 0, 1) / WHITE
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SEEN_BY)
@pytest.mark.parametrize("dark", [False, True])
def test_hues_are_told_apart(sight: str, dark: bool) -> None:
    """By all, on either page: 2.3 is a difference just seen."""
    seen = [_lab(COLOURS[hue][dark], sight) for hue in HUES]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 15


MEASURE = """<!doctype html><meta charset="utf-8"><body>
<iframe style="border:0;width:{width}px;height:900px" srcdoc="{page}"></iframe><pre></pre>
<script>
addEventListener("load", () => {{
  const inner = document.querySelector("iframe").contentDocument;
  const root = inner.documentElement;
  const shown = inner.querySelector("svg text");
  document.querySelector("pre").textContent = JSON.stringify({{
    client: root.clientWidth, scroll: root.scrollWidth,
    page: getComputedStyle(inner.body).backgroundColor,
    plots: [...inner.querySelectorAll("svg")].every(svg => svg.getBoundingClientRect().height > 40),
    text: getComputedStyle(shown).fill,
  }});
}});
</script>"""


def _rgb(colour: str) -> str:
    return "rgb({}, {}, {})".format(*(int(colour[i : i + 2], 16) for i in (1, 3, 5)))


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_in_a_browser(width: int, dark: bool, everything: Path, tmp_path: Path) -> None:
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next((found for name in names if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip("no Chromium to look at the page with (Debian: apt install chromium)")
    write(everything, longest=compare(row(f"{'long' * 40}.ckpt", "int8", 1.0, 0.5)))
    shell = tmp_path / "measure.html"
    shell.write_text(MEASURE.format(width=width, page=html.escape(made(everything))))
    command = [
        browser,
        "--headless",
        "--disable-gpu",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        "--dump-dom",
    ]
    command += ["--no-sandbox"] if os.geteuid() == 0 else []
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,1000"]
    command += [f"--blink-settings=preferredColorScheme={0 if dark else 1}", shell.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(re.search(r"<pre>(.*)</pre>", done.stdout)[1])
    assert found["client"] == width
    assert found["scroll"] == width
    assert found["plots"]
    assert found["page"] == _rgb(COLOURS["page"][dark])
    assert found["text"] in {_rgb(pair[dark]) for pair in COLOURS.values()}
    assert "CONSOLE" not in done.stderr
