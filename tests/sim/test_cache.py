"""The build cache: hits, damage, races, and a folder that cannot be made."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path

import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.sim import cache


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHIFTBOOK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(text: str):
    def make(folder: Path) -> None:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text(text)

    return make


def test_made_once() -> None:
    path, made = cache.entry("a", write("first"))
    again, made_again = cache.entry("a", write("second"))
    assert (made, made_again) == (True, False)
    assert path == again
    assert (path / "sub" / "file").read_text() == "first"


@pytest.mark.parametrize("damage", ["change", "remove", "add", "manifest"])
def test_damaged_entry_is_made_again(damage: str) -> None:
    path, _ = cache.entry("a", write("first"))
    if damage == "change":
        (path / "sub" / "file").write_text("broken")
    elif damage == "remove":
        (path / "sub" / "file").unlink()
    elif damage == "add":
        (path / "other").write_text("")
    else:
        (path / cache.MANIFEST).write_text("{")
    path, made = cache.entry("a", write("second"))
    assert made
    assert (path / "sub" / "file").read_text() == "second"


def test_a_failed_maker_leaves_nothing(own_cache: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        cache.entry("a", fail)
    assert list(own_cache.iterdir()) == []


@pytest.mark.parametrize("attempt", range(60))
def test_makers_that_do_not_wait_agree(
    attempt: int, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "WAIT", 0)
    makers = 6
    gate = threading.Barrier(makers)
    seen = []

    def make(folder: Path) -> None:
        gate.wait()
        write(str(threading.get_ident()))(folder)

    def work() -> None:
        path, _ = cache.entry("a", make)
        seen.append((path / "sub" / "file").read_text())

    threads = [threading.Thread(target=work) for _ in range(makers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == makers
    assert len(set(seen)) == 1
    assert [path.name for path in own_cache.iterdir()] == ["a"]


def test_who_wants_what_is_being_made_waits_for_it(own_cache: Path) -> None:
    begun, made = threading.Event(), []

    def make(folder: Path) -> None:
        made.append(folder)
        begun.set()
        time.sleep(0.5)
        write("whole")(folder)

    def work() -> None:
        path, _ = cache.entry("a", make)
        assert (path / "sub" / "file").read_text() == "whole"

    threads = [threading.Thread(target=work) for _ in range(4)]
    threads[0].start()
    begun.wait()
    for thread in threads[1:]:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert [path.name for path in own_cache.iterdir()] == ["a"]


def test_oldest_entries_go(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    monkeypatch.setattr(cache, "KEEP", 2)
    names = [f"{kind}-{cache.key(kind)}" for kind in ("sim", "verilog", "runtime")]
    for name in names:
        cache.entry(name, write(name))
        time.sleep(0.02)
    assert {path.name for path in own_cache.iterdir()} == set(names[1:])


def test_what_is_not_ours_stays(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    """The folder may be one that somebody has other things in."""
    monkeypatch.setattr(cache, "KEEP", 1)
    ours = cache.key("ours")
    theirs = {
        ".ssh",
        "photos",
        "sim-results",
        ".sim-old",
        "runtime-",
        f"x-{ours}",
        f".sim-{ours}",
        f"sim-{ours}-1",
    }
    abandoned = f".sim-{ours}-ab_12cd8"
    for name in (*theirs, abandoned):
        (own_cache / name).mkdir(parents=True)
        os.utime(own_cache / name, (0, 0))
    name = f"sim-{ours}"
    cache.entry(name, write("first"))
    assert {path.name for path in own_cache.iterdir()} == {*theirs, name}


def test_parts_of_a_key_stay_apart() -> None:
    assert cache.key("ab", "c") != cache.key("a", "bc")
    assert cache.key("a", b"b") == cache.key(b"a", "b")


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHIFTBOOK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "shiftbook"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SHIFTBOOK_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ShiftbookError, match="set SHIFTBOOK_CACHE to a writable folder"):
        cache.folder()


def test_a_user_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The home is asked for where it is needed, and no sooner."""

    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache.folder() == tmp_path / "cache"
    monkeypatch.delenv("SHIFTBOOK_CACHE")
    with pytest.raises(ShiftbookError) as error:
        cache.folder()
    assert str(error.value) == (
        "there is no home folder for the build cache: set SHIFTBOOK_CACHE to a writable folder"
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "shiftbook"


def test_a_file_or_a_link_in_the_place_of_an_entry(own_cache: Path, tmp_path: Path) -> None:
    own_cache.mkdir()
    (own_cache / "file").write_text("")
    (own_cache / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        path, made = cache.entry(name, write("first"))
        assert made
        assert not path.is_symlink()
        assert (path / "sub" / "file").read_text() == "first"
    assert tmp_path.exists()


def test_a_full_disk_is_one_line(own_cache: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "half").write_text("")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(ShiftbookError, match=r"No space left on device.*; set SHIFTBOOK_CACHE to a") as error:
        cache.entry("a", fill)
    assert "\n" not in str(error.value)
    assert list(own_cache.iterdir()) == []


def test_an_entry_that_is_read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = cache.entry("a", write("first"))

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "utime", refuse)
    assert cache.entry("a", write("second")) == (path, False)
