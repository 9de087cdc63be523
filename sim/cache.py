"""A folder of finished builds, safe against concurrent writers and damaged entries."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from golden.errors import ShiftbookError

KEEP = 500
"""Entries kept; the ones that were used longest ago go first."""

MANIFEST = "manifest.json"
"""Digest of every file of an entry; written last, so that half an entry is never taken for a whole one."""


def folder() -> Path:
    """The cache: ``$SHIFTBOOK_CACHE``, or ``shiftbook`` in ``$XDG_CACHE_HOME`` (``~/.cache``).

    Raises
    ------
    ShiftbookError
        The folder cannot be made.
    """
    chosen = os.environ.get("SHIFTBOOK_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = Path(chosen) if chosen else base / "shiftbook"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise ShiftbookError(
            f"cannot make the build cache {str(path)!r} ({reason}); set SHIFTBOOK_CACHE to a writable folder"
        ) from error
    return path.resolve()


def key(*parts: str | bytes) -> str:
    """A digest of ``parts``, which keeps them apart: ``("ab", "c")`` and ``("a", "bc")`` differ."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:24]


def entry(name: str, make: Callable[[Path], None]) -> tuple[Path, bool]:
    """The folder of entry ``name`` and whether it had to be made.

    ``make(folder)`` fills a temporary folder that is then renamed, so that readers see all of an entry
    or nothing, and of two concurrent makers the first wins. An entry that does not match its own
    manifest is made again.
    """
    target = folder() / name
    if _valid(target):
        os.utime(target)
        return target, False
    work = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder()))
    try:
        make(work)
        _seal(work)
        if not _valid(target):
            shutil.rmtree(target, ignore_errors=True)
        try:
            work.rename(target)
        except OSError:
            if not _valid(target):
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    _prune()
    return target, True


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
    finished = [p for p in folder().iterdir() if p.is_dir() and not p.name.startswith(".")]
    by_age = sorted(finished, key=lambda p: p.stat().st_mtime, reverse=True)
    stale = [p for p in folder().glob(".*") if p.is_dir() and time.time() - p.stat().st_mtime > 86400]
    for path in by_age[KEEP:] + stale:
        shutil.rmtree(path, ignore_errors=True)
