"""Keys follow contents, code and tools, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.study import keys
from shiftbook.study.tasks import works


def test_json_has_one_form() -> None:
    assert keys.digest({"a": 1, "b": [1.5, None]}) == keys.digest({"b": [1.5, None], "a": 1})
    assert keys.digest({"a": 1}) != keys.digest({"a": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        keys.digest(float("nan"))


def test_a_file_is_its_content(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("same")
    two.write_text("same")
    assert keys.file_digest(one) == keys.file_digest(two)
    two.write_text("other")
    assert keys.file_digest(one) != keys.file_digest(two)


def test_a_folder_is_its_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a" / "cat").mkdir(parents=True)
    (tmp_path / "a" / "cat" / "0.png").write_text("0")
    before = keys.file_digest(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    assert keys.file_digest(tmp_path / "b") == before
    (tmp_path / "b" / "cat").rename(tmp_path / "b" / "dog")
    assert keys.file_digest(tmp_path / "b") != before


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        ShiftbookError, match=r"^cannot read .*/no: No such file or directory; name a file or "
    ):
        keys.file_digest(tmp_path / "no")


def test_code_is_what_the_rooms_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "a.py").write_text("1")
    (tmp_path / "alone.py").write_text("2")
    monkeypatch.setattr(keys, "TOP", tmp_path)

    def seen() -> tuple[str, str]:
        keys.code_digest.cache_clear()
        return keys.code_digest(("room",)), keys.code_digest(("room", "alone.py"))

    room, both = seen()
    assert room != both
    (tmp_path / "room" / "notes.txt").write_text("no code")
    assert seen() == (room, both)
    (tmp_path / "alone.py").write_text("3")
    assert (seen()[0] == room, seen()[1] == both) == (True, False)
    (tmp_path / "room" / "a.py").write_text("4")
    assert seen()[0] != room
    keys.code_digest.cache_clear()


def test_every_kind_of_task_names_rooms_that_are_there() -> None:
    assert set(works()) == {
        "accuracy", "compress", "curves", "float", "gates", "load", "rtl", "sensitivity", "train",
    }  # fmt: skip
    for work in works().values():
        assert all((keys.TOP / room).exists() for room in work.rooms), work.name


def test_the_first_difference_is_told() -> None:
    here = {"numpy": "2.4.6", "torch": "2.13.0"}
    assert keys.difference(here, dict(here)) is None
    assert keys.difference(here, {**here, "torch": "2.12.0"}) == "torch is 2.12.0, here 2.13.0"
    assert keys.difference(here, {"numpy": "2.4.6"}) == "torch is none, here 2.13.0"


def test_without_dask_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from shiftbook.study.cluster import local_cluster
    from shiftbook.study.store import Store

    monkeypatch.setitem(sys.modules, "distributed", None)
    message = r"^workers need dask and distributed: pip install 'shiftbook\[sweep\]', or give --workers 0$"
    with pytest.raises(ShiftbookError, match=message), local_cluster(1, Store(str(tmp_path))):
        pass
