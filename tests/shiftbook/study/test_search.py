"""Which points a search asks for: all of a grid, and with a seed always the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.study.choices import ENGINE, combinations, parse, size
from shiftbook.study.point import Choice
from shiftbook.study.search import Grid, Search, choices_of, count_of, make_search
from shiftbook.study.study import Study, make_study

VALUES = {
    "network": {"n": {"source": "zoo:digits"}, "m": {"source": "zoo:digits"}},
    "compression": [
        {"scheme": "shift", "density": {"from": 0.1, "to": 0.9}, "bits": {"from": 4, "to": 6}},
        {"scheme": "int8", "density": {"from": 0.01, "to": 1.0, "log": True}, "network": "m"},
    ],
    "engine": [{"slots": [1, 2, 4]}],
    "objectives": {"accuracy": "max", "cycles": "min"},
    "constraints": {"cycles": {"at_most": 700}},
}
LEARNING = ("tpe", "nsga2")


def study_of(**general: object) -> Study:
    return make_study({**VALUES, "study": general}, "s.toml", "s")


def measured(choice: Choice) -> dict[str, float]:
    """Something like a network: more density is better and takes longer."""
    density = choice.compression["density"]
    return {"accuracy": 1 - (1 - density) ** 2, "cycles": 1000 * density / choice.engine["slots"]}


def asked(search: Search) -> list[Choice]:
    """All points; every seventh fails."""
    found: list[Choice] = []
    while batch := search.ask():
        values = [None if (len(found) + i) % 7 == 6 else measured(each) for i, each in enumerate(batch)]
        search.tell(values)
        found += batch
    return found


def test_a_grid_is_every_combination_once() -> None:
    tables = [{"scheme": ["shift", "int8"], "density": [0.5, 1.0]}, {"scheme": "shift", "density": 0.5}]
    study = make_study({**VALUES, "compression": tables}, "s.toml", "s")
    found = list(choices_of(study))
    assert len(found) == 2 * 4 * 3
    assert len({repr(each) for each in found}) == len(found)
    assert [each.engine["slots"] for each in found[:3]] == [1, 2, 4]
    assert asked(Grid(study)) == found
    assert count_of(study) == 2 * 4 * 3 + 2 * 3


@pytest.mark.parametrize("search", ["random", *LEARNING])
def test_a_seed_gives_the_same_points(search: str, tmp_path: Path) -> None:
    points = asked(make_search(study_of(search=search, points=30, seed=3), tmp_path / "one"))
    assert points == asked(make_search(study_of(search=search, points=30, seed=3), None))
    assert points != asked(make_search(study_of(search=search, points=30, seed=4), None))
    assert len(points) == 30
    for each in points:
        low = 0.1 if each.compression["scheme"] == "shift" else 0.01
        assert low <= each.compression["density"] <= 1.0
        assert each.network == "m" or each.compression["scheme"] == "shift"
        assert isinstance(each.compression.get("bits", 4), int)
    assert {each.compression["scheme"] for each in points} == {"shift", "int8"}
    assert {each.network for each in points} == {"n", "m"}


def test_optuna_reads_the_journal(tmp_path: Path) -> None:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    file = tmp_path / "optuna.journal"
    for _ in range(2):  # the second run begins it anew
        points = asked(make_search(study_of(search="tpe", points=20), file))
    storage = JournalStorage(JournalFileBackend(str(file)))
    trials = optuna.load_study(study_name="s", storage=storage).trials
    assert len(trials) == len(points) == 20
    assert sum(trial.state.name == "FAIL" for trial in trials) == 20 // 7


def test_learning_pays() -> None:
    """Of the points that keep the constraint, the best of a search that learns is better than chance's."""

    def best(search: str) -> float:
        points = [measured(each) for each in asked(make_search(study_of(search=search, points=60), None))]
        return max(point["accuracy"] for point in points if point["cycles"] <= 100)

    assert best("tpe") > best("random")


def test_random_points_are_different() -> None:
    tables = {"compression": [{"density": [0.1, 0.2]}], "engine": [{"slots": [1, 2]}]}
    study = make_study({**VALUES, **tables, "study": {"search": "random", "points": 100}}, "s.toml", "s")
    assert len(asked(make_search(study, None))) == 2 * 2 * 2


def test_without_optuna_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    message = (
        r"^the search tpe needs optuna: pip install 'shiftbook\[sweep\]', or search with grid or random$"
    )
    with pytest.raises(ShiftbookError, match=message):
        make_search(study_of(search="tpe", points=3), None)


def test_combinations_keep_the_order_of_the_file() -> None:
    space = parse({"preset": ["shift", "int8"], "slots": 4, "bus": [16, 32]}, ENGINE)
    found = [json.dumps(each) for each in combinations(space)]
    assert found[1] == '{"preset": "shift", "slots": 4, "bus": 32}'
    assert size(space) == len(found) == 4
