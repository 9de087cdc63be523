"""The store of results: a folder or an object store, addressed by content, of JSON and checkpoint files.

A record appears whole or not at all, after the files that belong to it. So studies may share a store at the
same time, and an interruption leaves nothing that is half done.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.study.keys import Json, canonical

MISSING = "a store needs fsspec: pip install 'shiftbook[sweep]'"
RECORD = ".json"
PARTIAL = ".partial"

ABANDONED_SECONDS = 3600
"""After which nobody writes a partial file any more."""


class StoreError(ShiftbookError):
    """The store cannot be read or written: no point can go on, whatever it is."""


class Store:
    """Results by their keys.

    Parameters
    ----------
    url
        A folder, or anything that fsspec opens, such as ``s3://bucket/prefix``.

    Raises
    ------
    ShiftbookError
        There is no such kind of store, or the package that opens it is missing.
    """

    def __init__(self, url: str) -> None:
        try:
            from fsspec.core import url_to_fs
            from fsspec.implementations.local import LocalFileSystem
        except ImportError as error:
            raise ShiftbookError(MISSING) from error
        try:
            self.files, root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise ShiftbookError(
                f"cannot open the store {url}: {first_line(error)}; name a folder or another URL"
            ) from error
        self.url = url
        self.root = str(root).rstrip("/")
        self.local = isinstance(self.files, LocalFileSystem)

    def open(self) -> None:
        """Make the store's folder unless it is there, and remove what killed writers left in it.

        Raises
        ------
        StoreError
            It cannot be made or written.
        """
        with self._told("write"):
            self.files.makedirs(self.root, exist_ok=True)
            if self.local and not os.access(self.root, os.W_OK):
                raise StoreError(f"cannot write the store {self.url}: permission denied; name another place")
            if self.local:
                self._sweep()

    def _sweep(self) -> None:
        for partial in Path(self.root).glob(f"*/.*{PARTIAL}"):
            with suppress(FileNotFoundError):  # another study sweeps too
                if time.time() - partial.stat().st_mtime > ABANDONED_SECONDS:
                    partial.unlink()

    def get(self, key: str) -> dict[str, Json] | None:
        """The record of a key; None where there is none; see `get_many`."""
        return self.get_many([key]).get(key)

    def get_many(self, keys: Iterable[str]) -> dict[str, dict[str, Json]]:
        """The records of those keys that have one, an object store asked for many at a time.

        A damaged record counts as none: its task is done again.

        Raises
        ------
        StoreError
            The store cannot be reached.
        """
        paths = {self._path(key, RECORD): key for key in keys}
        with self._told("read"):
            found = self._read_local(paths) if self.local else self._read_all(paths)
        records = {key: _parsed(content) for key, content in found.items()}
        return {key: record for key, record in records.items() if record.get("key") == key}

    def _read_local(self, paths: Mapping[str, str]) -> dict[str, bytes]:
        found = {}
        for path, key in paths.items():
            with suppress(FileNotFoundError), open(path, "rb") as file:
                found[key] = file.read()
        return found

    def _read_all(self, paths: Mapping[str, str]) -> dict[str, bytes]:
        contents = self.files.cat(list(paths), on_error="omit") if paths else {}
        return {paths[path]: content for path, content in contents.items()}

    def put(self, key: str, record: Mapping[str, Json], files: Mapping[str, bytes]) -> None:
        """Write a record and, before it, its files.

        Parameters
        ----------
        files
            Content by suffix, such as ``.ckpt``.

        Raises
        ------
        StoreError
            They cannot be written; the record is not there then.
        """
        hashes = {suffix: hashlib.sha256(content).hexdigest() for suffix, content in files.items()}
        text = canonical({**record, "key": key, "files": hashes}) + "\n"
        with self._told("write"):
            for suffix, content in files.items():
                self._write(self._path(key, suffix), content)
            self._write(self._path(key, RECORD), text.encode())

    @contextmanager
    def path(self, key: str, suffix: str) -> Iterator[Path]:
        """A file of a record, by a path of this machine that is there until the block ends.

        Raises
        ------
        StoreError
            The file is missing or damaged.
        """
        record, where = self.get(key), self._path(key, suffix)
        with self._told("read"):
            content = self.files.cat_file(where)
        if record is None or hashlib.sha256(content).hexdigest() != record["files"].get(suffix):
            raise StoreError(f"{where} is damaged: remove {self._path(key, RECORD)}, and it is made again")
        if self.local:
            yield Path(where)
            return
        with tempfile.TemporaryDirectory(prefix="shiftbook-") as folder:
            copy = Path(folder, f"result{suffix}")
            copy.write_bytes(content)
            yield copy

    def _path(self, key: str, suffix: str) -> str:
        return f"{self.root}/{key[:2]}/{key}{suffix}"

    def _write(self, path: str, content: bytes) -> None:
        """All of it or nothing; an object store does so by itself."""
        if not self.local:
            self.files.pipe_file(path, content)
            return
        folder = os.path.dirname(path)
        os.makedirs(folder, exist_ok=True)
        partial = f"{folder}/.{secrets.token_hex(8)}{PARTIAL}"
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # the umask decides
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(partial, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(partial)
            raise

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """What the system or the object store refuses, in one line."""
        try:
            yield
        except ShiftbookError:
            raise
        except (OSError, ImportError) as error:
            reason = getattr(error, "strerror", None) or first_line(error)
            raise StoreError(
                f"cannot {what} the store {self.url}: {reason}; make room, or name another store"
            ) from error

    def __reduce__(self) -> tuple[type[Store], tuple[str]]:
        return Store, (self.url,)


def _parsed(content: bytes) -> dict[str, Json]:
    """The values of a record; none where it is damaged."""
    try:
        record = json.loads(content)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
