"""`shiftbook energy` of several checkpoints: area, clock and energy side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import typer

import shiftbook as sb
from shiftbook import cli, on_silicon, silicon_file
from shiftbook.api import silicon as api
from shiftbook.api.energy import Energy, LayerEnergy, MemoryEnergy
from shiftbook.api.silicon_rows import Area, OnEngine, areas_of
from shiftbook.golden.model.network import Network
from shiftbook.golden.progress import quiet
from shiftbook.golden.spec import PRESETS
from shiftbook.golden.storage.checkpoint import save
from shiftbook.options.placed import Placed, placed
from shiftbook.synth.technologies.technology import technology
from tests.shiftbook.test_inspect import refused
from tests.synth.power.library import write

AREAS = {"shift": Area(10.0, 30.0, 40.0, 500.0, "lane"), "two_term": Area(20.0, 30.0, 50.0, 400.0, "control")}
CYCLES = {"shift": 100, "two_term": 60}

Counted = list[str]


def energy_on(engine: str) -> Energy:
    """Of a memory that is read once in a cycle."""
    cycles = CYCLES[engine]
    banks = MemoryEnergy("activation banks", 1, 64, 8, "1 x 64 x 8, 2 ports", cycles, 0, 0.5, 0.5)
    return Energy("asap7", "8x8", (banks,), (LayerEnergy("conv1", cycles, 7, cycles / 2),))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Engines in the order in which energy is counted on them, which is only pretended."""
    seen: Counted = []

    def energy_of(row: OnEngine, *_: object) -> Energy:
        seen.append(row.engine)
        return energy_on(row.engine)

    def areas(specs: dict[Any, str], *_: object) -> dict[Any, Area]:
        return {spec: AREAS[name] for spec, name in specs.items()}

    for module in (on_silicon, api):
        monkeypatch.setattr(module, "energy_of", energy_of)
        monkeypatch.setattr(module, "areas_of", areas)
    return seen


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small library in the place of ASAP7's."""
    (tmp_path / "library").mkdir()
    folder = Path(write(tmp_path / "library"))
    monkeypatch.setenv("SHIFTBOOK_ASAP7", str(folder))
    return folder


@pytest.fixture
def run(checkpoint: Path, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Runs the command on the checkpoint with some presets, and gives the rows of its file."""
    out = tmp_path / "silicon.json"

    def run_on(*presets: str, options: tuple[str, ...] = ("--memories-only",)) -> list[dict[str, Any]]:
        names = [f"{checkpoint}:{preset}" for preset in presets]
        assert cli.main(["energy", *names, *options, "--json", str(out)]) == 0
        return list(json.loads(out.read_text())["rows"])

    return run_on


def test_rows_are_over_the_first(run, counted: Counted, library: Path, capsys) -> None:
    first, second = run("shift", "two_term")
    assert (first["preset"], second["preset"]) == ("shift", "two_term")
    assert first["area_relative"] == first["timed_relative"] == first["memory_relative"] == 1
    assert second["area_relative"] == pytest.approx((50 * 60) / (40 * 100), rel=1e-15)
    assert second["timed_relative"] == pytest.approx((50 * 60 * 400) / (40 * 100 * 500), rel=1e-15)
    assert second["memory_relative"] == pytest.approx(0.6, rel=1e-15)
    assert second["energy_relative"] is second["total_pj"] is None
    assert (second["total_area"], second["memory_area"], second["delay_module"]) == (20, 30, "control")
    head, _, *shown = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["checkpoint", "engine"]
    assert "together" not in head
    assert shown[1].split()[-4:] == ["0.750", "0.600", "0.000", "0.600"]
    assert shown[-1] == "logic is not counted: --memories-only"


def test_without_a_cell_library_there_are_no_areas(run, counted: Counted, monkeypatch, capsys) -> None:
    monkeypatch.delenv("SHIFTBOOK_ASAP7", raising=False)
    first, second = run("shift", "two_term", options=())
    assert first["whole_area"] is second["area_relative"] is None
    told = capsys.readouterr().out
    assert "um2" not in told
    assert "logic is not counted: asap7 needs its cell library, and SHIFTBOOK_ASAP7 is not set" in told


def test_rows_of_the_file_are_not_counted_again(run, counted: Counted, library: Path) -> None:
    before = run("shift", "two_term")
    assert run("shift", "two_term") == before
    assert counted == ["shift", "two_term"]
    turned = run("two_term", "shift")
    assert counted == ["shift", "two_term"]
    assert turned[0]["area_relative"] == 1
    assert turned[1]["area_relative"] == pytest.approx(4 / 3, rel=1e-15)


@pytest.mark.parametrize(
    "options",
    [
        ("--memories-only", "--tile-words", "256"),
        ("--memories-only", "--bus", "16"),
        ("--memories-only", "--tech", "ihp-sg13g2"),
        ("--windows", "9"),
    ],
)
def test_other_options_are_other_rows(run, counted: Counted, library: Path, options) -> None:
    run("shift", "two_term")
    run("shift", "two_term", options=options)
    assert counted == 2 * ["shift", "two_term"]


def test_another_checkpoint_or_technology_is_another_row(
    run, counted: Counted, checkpoint: Path, network: Network, monkeypatch
) -> None:
    monkeypatch.delenv("SHIFTBOOK_ASAP7", raising=False)
    run("shift", "two_term")
    run("shift", "two_term", options=("--memories-only", "--tech", "ihp-sg13g2"))
    assert len(counted) == 4
    save(replace(network, facts={"scheme": "focused"}), checkpoint)
    run("shift", "two_term", options=("--memories-only", "--tech", "ihp-sg13g2"))
    assert len(counted) == 6


def test_another_image_or_library_or_code_is_another_row(
    run, counted: Counted, library: Path, data: Path, monkeypatch
) -> None:
    run("shift", "two_term")
    run("shift", "two_term", options=("--memories-only", "--data", str(data)))
    run("shift", "two_term", options=("--memories-only", "--data", str(data)))
    assert len(counted) == 4
    for file in library.iterdir():
        file.write_text(file.read_text() + "\n")
    run("shift", "two_term", options=("--memories-only", "--data", str(data)))
    assert len(counted) == 6
    monkeypatch.setattr(silicon_file, "code_digest", lambda rooms: "other")
    run("shift", "two_term", options=("--memories-only", "--data", str(data)))
    assert len(counted) == 8


def test_what_was_counted_before_a_failure_stays(
    run, counted: Counted, checkpoint: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    out = tmp_path / "silicon.json"

    def fails(row: OnEngine, *_: object) -> Energy:
        if row.engine == "two_term":
            raise sb.ShiftbookError("no more")
        return energy_on(row.engine)

    with monkeypatch.context() as patch:
        patch.setattr(on_silicon, "energy_of", fails)
        arguments = [f"{checkpoint}:shift", f"{checkpoint}:two_term", "--memories-only", "--json", str(out)]
        assert "no more" in refused(capsys, ["energy", *arguments])
    (kept,) = json.loads(out.read_text())["rows"]
    assert (kept["preset"], kept["memory_relative"]) == ("shift", 1)
    first, _ = run("shift", "two_term")
    assert (counted, first["key"]) == (["two_term"], kept["key"])


def test_a_file_of_something_else_is_written_over(run, counted: Counted, tmp_path: Path) -> None:
    for text in ("{", "{}", '{"rows": [{"key": "a"}]}', "[]"):
        (tmp_path / "silicon.json").write_text(text)
        assert len(run("shift", "two_term")) == 2
    assert len(counted) == 8


def test_a_pipe_gets_the_result_once(checkpoint: Path, counted: Counted, capfd) -> None:
    names = [f"{checkpoint}:shift", f"{checkpoint}:two_term"]
    assert cli.main(["energy", *names, "--memories-only", "--json", "/dev/stdout"]) == 0
    assert capfd.readouterr().out.count('"rows"') == 1


def test_an_engine_that_cannot_run_it_is_refused_before_any_work(
    checkpoint: Path, counted: Counted, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "silicon.json"
    names = [f"{checkpoint}:shift", f"{checkpoint}:focused"]
    told = refused(capsys, ["energy", *names, "--memories-only", "--json", str(out)])
    assert f"{checkpoint} on focused: " in told
    assert not counted
    assert not out.exists()


def test_a_tensor_buffer_is_not_left_out_of_areas(checkpoint: Path, counted: Counted, capsys) -> None:
    names = [f"{checkpoint}:shift", f"{checkpoint}:two_term"]
    told = refused(capsys, ["energy", *names, "--memories-only", "--tensor-buffer", "32"])
    assert "--tensor-buffer 32: the area of several checkpoints is the engine's" in told
    assert not counted


def test_checkpoints_have_engines_of_their_own(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.ckpt", "b:shift4"):
        (tmp_path / name).touch()
    assert placed("a.ckpt") == Placed(Path("a.ckpt"), None)
    assert placed("a.ckpt:int8") == Placed(Path("a.ckpt"), "int8")
    assert placed("b:shift4") == Placed(Path("b:shift4"), None)
    assert placed("no:such") == Placed(Path("no:such"), None)
    with pytest.raises(typer.BadParameter, match="there is no preset 'tern': choose one of shift, shift4"):
        placed("a.ckpt:tern")
    with pytest.raises(typer.BadParameter, match="it is empty"):
        placed(":int8")


def test_one_checkpoint_with_its_engine_has_its_details(
    checkpoint: Path, counted, monkeypatch, capsys
) -> None:
    engines = []

    def energy(network: object, spec: object, *_: object, **__: object) -> Energy:
        engines.append(spec)
        return energy_on("two_term")

    monkeypatch.setattr("shiftbook.api.energy.energy", energy)
    assert cli.main(["energy", f"{checkpoint}:two_term", "--memories-only"]) == 0
    assert "memories 0.000 microjoules an image" in capsys.readouterr().out
    assert engines == [PRESETS["two_term"]]


def test_areas_are_those_of_the_gate_report_on_each_engine_alone(library: Path, monkeypatch) -> None:
    asked = []

    def report_on(specs: dict[str, Any], **options: Any) -> dict[str, Any]:
        asked.append((specs, options["liberty"]))
        engines = {name: {**asdict(AREAS[name]), "lane_area": 1.0, "flat_area": None} for name in specs}
        return {"engines": engines}

    monkeypatch.setattr("shiftbook.synth.flow.gates.report_on", report_on)
    wide = replace(PRESETS["shift"], tile_words=2048)
    specs = {PRESETS["shift"]: "shift", PRESETS["two_term"]: "two_term", wide: "shift"}
    assert areas_of(specs, "asap7", quiet) == {spec: AREAS[name] for spec, name in specs.items()}
    files = technology("asap7").library()
    assert asked == [({name: spec}, files) for spec, name in specs.items()]


def test_in_python(checkpoint: Path, counted: Counted, data: Path) -> None:
    found = sb.silicon([(str(checkpoint), "shift"), (sb.load(checkpoint), "two_term")], area=True)
    first, second = found.checkpoints
    assert (first.area, second.area) == (AREAS["shift"], AREAS["two_term"])
    assert second.area_relative == pytest.approx(0.75, rel=1e-15)
    assert second.energy_relative is None
    assert second.energy == energy_on("two_term")
    rows = found.rows()
    assert rows == found.to_dict()["rows"]
    assert (rows[1]["whole_area"], rows[1]["cycles"], rows[1]["engine"]) == (50.0, 60, "two_term")
    assert "two_term 0.000" in repr(found)
    bare = sb.silicon([(checkpoint, "shift")], images=data)
    assert bare.checkpoints[0].area is bare.checkpoints[0].area_relative is None
    assert bare.rows()[0].keys() == rows[0].keys()


@pytest.mark.parametrize("entries", [[], "net.ckpt", ["net.ckpt"], [("net.ckpt",)]])
def test_what_is_no_list_of_pairs_is_refused(entries: Any) -> None:
    with pytest.raises(
        sb.ShiftbookError, match="entries must be a list of pairs of a checkpoint and an engine"
    ):
        sb.silicon(entries)
