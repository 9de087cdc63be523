"""Pickled objects that stand beside weights: each becomes an inert stand-in, and no code of theirs runs.

Training scripts save their arguments, paths and NumPy scalars together with the weights. torch.load with
``weights_only`` refuses such a file as a whole. It takes classes that it is told are safe, so it is told
stand-ins under those names.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from shiftbook.frontend.weights.kinds import RECORD, ZIP
from shiftbook.golden.limits import limits

OLD_NAMES = {"__builtin__": "builtins", "copy_reg": "copyreg"}
"""Modules that pickles of protocol 2 name as Python 2 did."""

LEGACY_HEADERS = 3
"""Pickles before the object's own in a file of the old format: magic number, version, system."""

MODULE_STATE = "_modules"
"""Every nn.Module keeps its children under this name."""


class Inert:
    """A stand-in. It takes whatever its pickle gives, and does nothing with it."""

    name = ""
    is_model = False

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        self.is_model = isinstance(state, dict) and MODULE_STATE in state


def stand_ins(path: Path) -> list[Any]:
    """For each class or function that a file of torch.save names: a stand-in, and the name.

    They are for `torch.serialization.safe_globals`. torch looks into its own list of tensor functions first,
    so that a stand-in never replaces one.

    Raises
    ------
    Exception
        Of any kind, where the file is damaged.
    """
    names = sorted({name for pickle in _pickles(path) for name in _globals(pickle)})
    return [(type("Inert", (Inert,), {"name": name}), name) for name in names]


def model_of_old(path: Path) -> str | None:
    """The class of the first module that a file of the old format pickles as a whole; None without one.

    There a module is no plain object: the text "module" and the class stand for it.
    """
    for pickle in _pickles(path):
        text: object = None
        for operation, argument, _ in pickletools.genops(pickle):
            if operation.name == "GLOBAL" and text == "module":
                return str(argument).replace(" ", ".")
            text = argument if operation.name == "BINUNICODE" else text
    return None


def _pickles(path: Path) -> Iterator[bytes]:
    """The pickle of a zip file, or those that a file of the old format begins with."""
    with path.open("rb") as stream:
        if stream.read(len(ZIP)) != ZIP:
            stream.seek(0)
            yield from (_one_pickle(stream) for _ in range(LEGACY_HEADERS + 1))
            return
    with zipfile.ZipFile(path) as file:
        for info in file.infolist():
            if info.filename.endswith(RECORD):
                limits().check(f"{path} has too many bytes in its pickle", "graph_bytes", info.file_size)
                yield file.read(info)


def _one_pickle(stream: IO[bytes]) -> bytes:
    """The bytes of the pickle that begins here; the stream stands behind it then."""
    start = stream.tell()
    for _ in pickletools.genops(stream):
        pass
    size = stream.tell() - start
    stream.seek(start)
    return stream.read(size)


def _globals(pickle: bytes) -> Iterator[str]:
    """Dotted names of what a pickle imports, as Python 3 calls it."""
    for operation, argument, _ in pickletools.genops(pickle):
        if operation.name == "GLOBAL":
            module, _, name = str(argument).partition(" ")
            yield f"{OLD_NAMES.get(module, module)}.{name}"
