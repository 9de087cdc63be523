"""A study gives the same bytes in one process, on workers that die, and after an interruption."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest

from shiftbook import cli
from shiftbook.golden.storage import checkpoint
from shiftbook.study.run import Done, Place, plan_of, run
from shiftbook.study.store import Store
from shiftbook.study.study import Study
from tests.shiftbook.study.conftest import tree

POINTS = 48


@pytest.fixture(scope="module")
def alone(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of one process."""
    folder = tmp_path_factory.mktemp("alone")
    assert run(study, Place(folder)).computed == 4 + 4 + 1 + POINTS
    return folder


def test_points_are_those_of_the_study(alone: Path) -> None:
    result = json.loads((alone / "sweep.json").read_text())
    points = result["points"]
    assert [point["number"] for point in points] == list(range(POINTS))
    assert len({json.dumps([p["compression"], p["engine"]]) for p in points}) == POINTS
    assert all(point["error"] is None for point in points)
    assert 0 < sum(point["front"] for point in points) < POINTS
    assert (alone / "sweep.csv").read_text().count("\n") == POINTS + 1


def test_a_point_is_what_the_commands_say(study: Study, alone: Path, place: Path) -> None:
    import shiftbook as sb

    point = json.loads((alone / "sweep.json").read_text())["points"][-1]
    assert point["compression"] == {"scheme": "int8", "density": 1.0}
    assert point["engine"] == {"preset": "two_term", "slots": 4, "bus": 32}
    net = sb.compress(f"{place}/net.py:make", "digits", scheme="int8", density=1.0)
    assert point["values"] == {
        "accuracy": net.accuracy,
        "cycles": net.cycles("two_term").total,
        "stored_bytes": -(-net.sizes.stored_bits // 8),
        "lost": round(net.float_accuracy - net.accuracy, 9),
    }


def test_checkpoints_in_the_store_are_whole(alone: Path) -> None:
    files = sorted(alone.glob("store/*/*.ckpt"))
    assert len(files) == 4
    assert {checkpoint.load(file).facts["density"] for file in files} == {0.5, 1.0}


def test_a_second_run_computes_nothing(study: Study, alone: Path) -> None:
    before = tree(alone)
    done = run(study, Place(alone))
    assert done.computed == 0
    assert tree(alone) == before


def test_a_change_computes_what_it_touches(
    study: Study, study_file: Path, alone: Path, tmp_path: Path
) -> None:
    from shiftbook.study.study import read_study

    other = tmp_path / "other.toml"
    other.write_text(study_file.read_text().replace("bus = [16, 32]", "bus = [32, 64]"))
    shutil.copytree(alone / "store", tmp_path / "store")
    place = Place(tmp_path / "results", store=str(tmp_path / "store"))
    assert run(read_study(other), place).computed == POINTS // 2


def test_an_interrupted_study_goes_on(study: Study, alone: Path, tmp_path: Path) -> None:
    folder = tmp_path / "results"

    def stop(what: str, done: int, total: int) -> None:
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(study, Place(folder), stop)
    assert not (folder / "sweep.json").exists()
    assert 0 < run(study, Place(folder)).computed < POINTS
    assert tree(folder) == tree(alone)


def test_two_workers_one_killed(study: Study, alone: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    killed: list[int] = []
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "memory_limit": 0}
    with distributed.LocalCluster(**options) as cluster:

        def kill(what: str, done: int, total: int) -> None:
            if done >= 10 and not killed:
                killed.append(next(iter(cluster.workers.values())).pid)
                os.kill(killed[0], signal.SIGKILL)

        done = run(study, Place(tmp_path, scheduler=cluster.scheduler_address), kill)
    assert killed
    assert done.computed <= 4 + 4 + 1 + POINTS
    for partial in tmp_path.glob("store/*/.*.partial"):  # the worker may have been writing: an hour goes by
        os.utime(partial, (0, 0))
    Store(str(tmp_path / "store")).open()
    assert tree(tmp_path) == tree(alone)


def test_two_studies_share_a_store_at_the_same_time(study: Study, alone: Path, tmp_path: Path) -> None:
    one, two = (Place(tmp_path / name, store=str(tmp_path / "store")) for name in ("one", "two"))
    within: list[Done] = []

    def begin_the_other(what: str, done: int, total: int) -> None:
        if done == 20 and not within:
            within.append(run(study, two))

    run(study, one, begin_the_other)
    assert 0 < within[0].computed < POINTS
    assert tree(tmp_path / "store") == tree(alone / "store")
    for place in (one, two):
        assert (place.folder / "sweep.json").read_bytes() == (alone / "sweep.json").read_bytes()


def test_a_dry_run_counts_and_does_nothing(study: Study, alone: Path, tmp_path: Path) -> None:
    text = plan_of(study, Place(tmp_path / "results"))
    assert "48 points: 57 tasks, 52 edges" in text
    assert not (tmp_path / "results").exists()
    rows = [line.split() for line in plan_of(study, Place(alone)).splitlines()]
    assert ["load", "48", "48", "0", "compress"] in rows


def test_what_fails_is_kept_with_its_reason(study_file: Path, tmp_path: Path) -> None:
    from shiftbook.study.study import read_study

    text = study_file.read_text().replace('"shift", "two_term"]\nslots = [1, 2, 4]', '"shift", "focused"]')
    (tmp_path / "s.toml").write_text(text.replace('["shift", "int8"]', '["focused"]'))
    result = run(read_study(tmp_path / "s.toml"), Place(tmp_path / "results")).result
    failed = [point for point in result["points"] if point["engine"]["preset"] == "focused"]
    assert len(failed) == len(result["points"]) // 2
    assert all("layer 0" in point["error"] for point in failed)
    assert not any(point["feasible"] or point["front"] for point in failed)
    assert all(point["values"]["accuracy"] is not None for point in failed)


def test_the_time_left_is_told(study: Study, alone: Path, tmp_path: Path) -> None:
    said: list[str] = []

    def hear(what: str, done: int, total: int) -> None:
        said.append(what)
        assert (total, done <= total) == (POINTS, True)

    run(study, Place(tmp_path, store=str(alone / "store")), hear)
    assert "0 failed, best accuracy 0.1" in said[-1]
    assert any(re.search(r", [\d.]+ (s|min|h) left\)", each) for each in said)


def test_the_command_says_what_came_of_it(study_file: Path, alone: Path, tmp_path: Path, capsys) -> None:
    words = ["sweep", str(study_file), "-o", str(tmp_path), "--store", str(alone / "store"), "--workers", "0"]
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert f"0 failed; 0 tasks computed, 53 known before: {tmp_path}/sweep.json" in out
    result = json.loads((tmp_path / "sweep.json").read_text())
    front = [point["number"] for point in result["points"] if point["front"]]
    assert sorted(int(line.split()[0]) for line in out.splitlines()[2:-1]) == front
    assert cli.main([*words, "--dry-run"]) == 0
    assert "48 points: 57 tasks, 52 edges" in capsys.readouterr().out
