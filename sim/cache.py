"""A folder of finished builds, safe against concurrent writers and damaged entries."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shiftbook.golden.errors import ShiftbookError

KEEP = 500
"""Entries kept; the ones that were used longest ago go first."""

WAIT = 600
"""Seconds for which a maker waits for another one of the same entry, which may have been stopped."""

ABANDONED = 86400
"""Seconds after which a maker's folder that was never finished goes."""

OURS = re.compile(r"(sim|runtime|verilog)-[0-9a-f]{24}")
"""Names of entries: a kind and a `key`. Whatever else is in the folder is somebody's, and stays."""

MAKERS = re.compile(rf"\.{OURS.pattern}-[0-9a-z_]{{8}}")
"""Names of the folders in which entries are made."""

MANIFEST = "manifest.json"
"""Digest of every file of an entry; written last, so that half an entry is never taken for a whole one."""


def folder() -> Path:
    """The cache: ``$SHIFTBOOK_CACHE``, or ``shiftbook`` in ``$XDG_CACHE_HOME`` (``~/.cache``).

    Raises
    ------
    ShiftbookError
        The folder cannot be made, or there is no home to make it in.
    """
    chosen = os.environ.get("SHIFTBOOK_CACHE")
    path = Path(chosen) if chosen else _usual()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path.resolve()


def _usual() -> Path:
    """Where the cache is unless somebody says otherwise."""
    chosen = os.environ.get("XDG_CACHE_HOME")
    try:
        base = Path(chosen) if chosen else Path.home() / ".cache"
    except RuntimeError as error:
        raise ShiftbookError(
            "there is no home folder for the build cache: set SHIFTBOOK_CACHE to a writable folder"
        ) from error
    return base / "shiftbook"


def key(*parts: str | bytes) -> str:
    """A digest of ``parts``, which keeps them apart: ``("ab", "c")`` and ``("a", "bc")`` differ."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:24]


def entry(name: str, make: Callable[[Path], None]) -> tuple[Path, bool]:
    """The folder of entry ``name`` and whether it had to be made.

    Of names as `OURS` has them, the entries that were used longest ago go.
    ``make(folder)`` fills a temporary folder that is then renamed, so that readers see all of an entry
    or nothing. Who wants an entry that another process is making waits for it; of two makers that do not
    wait for each other the first wins. An entry that does not match its own manifest is made again.

    Raises
    ------
    ShiftbookError
        The cache cannot be written.
    """
    target = folder() / name
    if _found(target):
        return target, False
    try:
        with _turn(target):
            if _found(target):
                return target, False
            _make(target, make)
    except OSError as error:
        raise _unwritable(folder(), error) from error
    return target, True


def _found(target: Path) -> bool:
    """Whether a whole entry is there; it counts as used now."""
    found = _valid(target)
    if found:
        with suppress(OSError):  # somebody else's cache may be read
            os.utime(target)
    return found


@contextmanager
def _turn(target: Path) -> Iterator[None]:
    """One maker of an entry at a time: a second one would compile for nothing."""
    lock = target.with_name(f".{target.name}.lock")
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        patience = time.monotonic() + WAIT
        while time.monotonic() < patience:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.05)
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


def _make(target: Path, make: Callable[[Path], None]) -> None:
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        make(work)
        _seal(work)
        with _locked():
            if not _valid(target):
                _remove(target)
                work.rename(target)
            _prune()
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _remove(path: Path) -> None:
    """What is in an entry's place: an entry, or a file or a link that is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> ShiftbookError:
    reason = error.strerror or error
    return ShiftbookError(
        f"cannot write the build cache {str(path)!r} ({reason}); set SHIFTBOOK_CACHE to a writable folder"
    )


@contextmanager
def _locked() -> Iterator[None]:
    """One thread of one process at a time: nobody takes away what another has just put in place."""
    handle = os.open(folder(), os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _digests(path: Path) -> dict[str, str]:
    files = sorted(f for f in path.rglob("*") if f.is_file() and f.name != MANIFEST)
    return {str(f.relative_to(path)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def _seal(path: Path) -> None:
    (path / MANIFEST).write_text(json.dumps(_digests(path)))


def _valid(path: Path) -> bool:
    try:
        expected = json.loads((path / MANIFEST).read_text())
        return bool(expected == _digests(path))
    except (OSError, ValueError):
        return False


def _prune() -> None:
    changes = {path: _changed(path) for path in folder().iterdir()}
    ages = {path: time.time() - changed for path, changed in changes.items() if changed is not None}
    finished = sorted((path for path in ages if OURS.fullmatch(path.name)), key=ages.__getitem__)
    abandoned = [path for path in ages if MAKERS.fullmatch(path.name) and ages[path] > ABANDONED]
    for path in finished[KEEP:] + abandoned:
        shutil.rmtree(path, ignore_errors=True)


def _changed(path: Path) -> float | None:
    """When the folder ``path`` changed last; nothing for a file, or a maker's folder that has just gone."""
    try:
        return path.stat().st_mtime if path.is_dir() else None
    except OSError:
        return None
