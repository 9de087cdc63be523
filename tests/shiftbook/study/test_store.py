"""The store: records whole or not at all, found again, in a folder and elsewhere."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.study.store import Store, StoreError
from tests.shiftbook.study.conftest import tree

KEY = "ab" * 32
OTHER = "cd" * 32


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    made = Store(str(tmp_path / "store") if request.param == "folder" else f"memory://{uuid.uuid4().hex}")
    made.open()
    return made


def test_what_is_put_is_got(store: Store) -> None:
    assert store.get(KEY) is None
    store.put(KEY, {"kind": "x", "result": {"n": 1.5}}, {".bin": b"\0\1"})
    record = store.get(KEY)
    assert record is not None
    assert record["result"] == {"n": 1.5}
    assert list(store.get_many([OTHER, KEY])) == [KEY]
    with store.path(KEY, ".bin") as path:
        assert path.read_bytes() == b"\0\1"


def test_another_store_of_the_same_url_has_it(store: Store) -> None:
    store.put(KEY, {"result": {}}, {})
    assert Store(store.url).get(KEY) is not None


def test_the_umask_decides_who_reads(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        Store(str(tmp_path)).put(KEY, {"result": {}}, {".bin": b"x"})
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*/*")} == {0o640}


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"key":"other"}', b"\xff"])
def test_a_damaged_record_is_none(damage: bytes, tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.put(KEY, {"result": {}}, {})
    (path,) = tmp_path.glob("*/*.json")
    path.write_bytes(damage)
    assert store.get(KEY) is None


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.put(KEY, {"result": {}}, {".bin": b"right"})
    (path,) = tmp_path.glob("*/*.bin")
    path.write_bytes(b"wrong")
    damaged = pytest.raises(StoreError, match=r"\.bin is damaged: remove .*\.json, and it is made again")
    with damaged, store.path(KEY, ".bin"):
        pass


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path))

    def full(source: str, target: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    message = (
        f"^cannot write the store {tmp_path}: No space left on device; make room, or name another store$"
    )
    with pytest.raises(StoreError, match=message):
        store.put(KEY, {"result": {}}, {".bin": b"x"})
    assert tree(tmp_path) == {}


def test_what_killed_writers_left_is_swept(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.put("ab12", {}, {})
    old, new = tmp_path / "ab" / ".0123.partial", tmp_path / "ab" / ".4567.partial"
    for partial in (old, new):
        partial.touch()
    os.utime(old, (0, 0))
    store.open()
    assert sorted(path.name for path in (tmp_path / "ab").iterdir()) == [new.name, "ab12.json"]


def test_a_store_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("mine")
    with pytest.raises(StoreError, match="cannot write the store"):
        Store(str(tmp_path / "store")).open()


def test_without_fsspec_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(ShiftbookError, match=r"^a store needs fsspec: pip install 'shiftbook\[sweep\]'$"):
        Store(str(tmp_path))


WRITER = """
import sys
from shiftbook.study.store import Store
store = Store(sys.argv[1])
for turn in range(200):
    for key in ("ab" * 32, "cd" * 32):
        store.put(key, {"result": {"n": key * 50}}, {".bin": key.encode() * 999})
        record = store.get(key)
        assert record is not None and record["result"]["n"] == key * 50
        with store.path(key, ".bin") as path:
            assert path.read_bytes() == key.encode() * 999
"""


def test_two_processes_write_the_same_names(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [writer.communicate()[1] for writer in writers] == ["", ""]
    assert len(tree(tmp_path)) == 4
