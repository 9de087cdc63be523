"""Output files: checked before the long work starts, and written whole or not at all.

A symbolic link stays, and what it leads to is written. A file that is there keeps its mode and, where the
system allows it, its owner. What is no regular file is written in place: a device, a FIFO (which waits for
its reader), a descriptor of this process such as /dev/stdout.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.inputs import shown

DESCRIPTORS = "/dev/fd"
"""The folder, or a link to it, whose entries are this process's open files."""

PARTIAL = ".partial"
"""What the names of unfinished outputs end with."""

MOST_LINKS = 40
"""Links that a path may go through, as Linux counts them."""


def check_writable(*paths: Path | None, inputs: Iterable[Path | None] = ()) -> None:
    """Say before the long work, not after it, that its result cannot be written.

    Parameters
    ----------
    paths
        All outputs of a command; None stands for an output that nobody asked for.
    inputs
        All files that it reads; likewise.

    Raises
    ------
    ShiftbookError
        One of them cannot be written, is an input too, or is the same file as another.
    """
    names: dict[Path, Path] = {}
    read = [path for path in inputs if path is not None]
    for path in paths:
        if path is None:
            continue
        with _told(path):
            _check(path)
            _check_apart(path, read)
            if in_place(path):
                continue
        other = names.setdefault(_target(path), path)
        if other is not path:
            raise ShiftbookError(f"cannot write {other} and {path}: they are one file; name two")


def absolute(path: Path) -> Path:
    """An output, from wherever it is named then: code of the user's may change the folder that is run in.

    Raises
    ------
    ShiftbookError
        That folder is gone.
    """
    with _told(path):
        return path.absolute()


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, unless it is there.

    Raises
    ------
    ShiftbookError
        It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ShiftbookError(
            f"cannot make the folder {shown(path)}: {error.strerror}; choose another place"
        ) from error


def check_folder_writable(folder: Path, names: Iterable[str], *, inputs: Iterable[Path] = ()) -> None:
    """Make a folder unless it is there, and say before the long work that ``names`` cannot be written there.

    Parameters
    ----------
    folder
        Where the files will be.
    names
        Of the files, with the folders below ``folder`` that they are in.
    inputs
        See :func:`check_writable`.

    Raises
    ------
    ShiftbookError
        A folder cannot be made, or a file cannot be written or is an input.
    """
    paths = [folder / name for name in names]
    for parent in dict.fromkeys([folder, *(path.parent for path in paths)]):
        make_folder(parent)
    check_writable(*paths, inputs=inputs)


@contextmanager
def open_output(path: Path) -> Iterator[BinaryIO]:
    """Open an output for bytes, in order; it takes its name when the block ends without an error.

    Raises
    ------
    ShiftbookError
        It cannot be written; nothing is left behind then, and a regular file that was there is untouched.
    """
    with _told(path), _opened(path) as file:
        yield file


@contextmanager
def filled_output(path: Path) -> Iterator[Path]:
    """Give the name under which another program writes an output; it is taken when the block ends.

    The name is in a folder of its own, next to the output, which goes with all that is in it.

    Raises
    ------
    ShiftbookError
        See :func:`open_output`.
    """
    with _told(path):
        place = None if in_place(path) else _target(path).parent
        with tempfile.TemporaryDirectory(prefix=".", suffix=PARTIAL, dir=place) as folder:
            made = Path(folder, "output")
            yield made
            if place is None:
                with made.open("rb") as source, _opened(path) as file:
                    shutil.copyfileobj(source, file)
            else:
                _take(made, _target(path))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file.

    Raises
    ------
    ShiftbookError
        See :func:`open_output`.
    """
    with open_output(path) as file:
        file.write(data)


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files that belong together: none takes its name before all of them are written.

    Parameters
    ----------
    folder
        See `check_folder_writable`, which comes first.
    contents
        Of each file, by its name.

    Raises
    ------
    ShiftbookError
        See :func:`open_output`.
    """
    with ExitStack() as outputs:
        for name, content in contents.items():
            file = outputs.enter_context(open_output(folder / name))
            file.write(content)
            file.flush()


def write_text(path: Path, text: str) -> None:
    """Write a text file.

    Raises
    ------
    ShiftbookError
        See :func:`open_output`.
    """
    write_bytes(path, text.encode())


def write_json(path: Path | None, report: Mapping[str, object] | Sequence[object]) -> None:
    """Write a report as indented JSON; None means that nobody asked for it.

    Raises
    ------
    ShiftbookError
        See :func:`open_output`.
    """
    if path is not None:
        write_text(path, json_text(report))


def json_text(report: Mapping[str, object] | Sequence[object]) -> str:
    """A report as indented JSON."""
    return json.dumps(report, indent=1) + "\n"


def in_place(path: Path) -> bool:
    """Whether the path leads to something that is no regular file, so that nothing may take its name."""
    if _descriptor(path) is not None:
        return True
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:  # new, or the link to a new one
        return False


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What the system refuses, in one line."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise ShiftbookError(f"cannot write {shown(path)}: {reason}; name a writable file") from error


def _check(path: Path) -> None:
    descriptor = _descriptor(path)
    if descriptor is not None:
        allowed = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
    elif in_place(path):
        if path.is_dir():
            raise ShiftbookError(f"cannot write {path}: it is a folder; name a file")
        allowed = os.access(path, os.W_OK)
    else:
        target = _target(path)
        if not target.parent.is_dir():
            raise ShiftbookError(f"cannot write {path}: there is no folder {target.parent}; make it first")
        allowed = os.access(target.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))
    if not allowed:
        raise ShiftbookError(f"cannot write {path}: permission denied; choose another place")


def _check_apart(path: Path, inputs: Iterable[Path]) -> None:
    """Refuse a regular file that is an input, whatever its names are."""
    for source in inputs:
        with suppress(OSError):  # one of them is not there
            written, read = path.stat(), source.stat()
            if stat.S_ISREG(written.st_mode) and os.path.samestat(written, read):
                raise ShiftbookError(f"cannot write {path}: it is read, too, as {source}; name another file")


def _opened(path: Path) -> AbstractContextManager[BinaryIO]:
    descriptor = _descriptor(path)
    if descriptor is not None:  # its own position: what else goes there is not written over
        return os.fdopen(os.dup(descriptor), "wb")
    if in_place(path):
        return os.fdopen(os.open(path, os.O_WRONLY), "wb")
    return _replaced(_target(path))


@contextmanager
def _replaced(target: Path) -> Iterator[BinaryIO]:
    """A file under another name in the same folder, renamed at the end."""
    old = target.stat() if target.exists() else None
    partial = target.with_name(_partial_name())
    mode = 0o666 if old is None else 0o600  # the umask decides about a new file
    file = os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb")
    try:
        with file:
            if old is not None:
                _make_like(old, file.fileno())
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _take(made: Path, target: Path) -> None:
    """Rename a file that is whole, in the same file system."""
    with made.open("rb") as file:
        if target.exists():
            _make_like(target.stat(), file.fileno())
        os.fsync(file.fileno())
    made.replace(target)


def _make_like(old: os.stat_result, descriptor: int) -> None:
    """Give a file the mode and, where the system allows it, the owner of the one whose name it takes."""
    with suppress(PermissionError):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def _partial_name() -> str:
    """Never longer than a file's name may be, whatever the target's."""
    return f".{secrets.token_hex(8)}{PARTIAL}"


def _target(path: Path) -> Path:
    """The path without its links."""
    return Path(os.path.realpath(path))


def _descriptor(path: Path) -> int | None:
    """The descriptor of this process that a path such as /dev/stdout names, through links or by itself.

    Raises
    ------
    OSError
        It is not open.
    """
    step, descriptors = path.absolute(), os.path.realpath(DESCRIPTORS)
    for _ in range(MOST_LINKS):
        if os.path.realpath(step.parent) == descriptors:
            if not os.path.lexists(step):  # it might be open later, for something else
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            return int(step.name) if step.name.isdecimal() else None
        if not step.is_symlink():
            return None
        step = step.parent / step.readlink()
    return None
