"""The checkpoint file: one safetensors file, checksummed, versioned and written atomically.

docs/checkpoint-format.md describes it to the bit. Nothing in a checkpoint is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from golden.bits import Bytes
from golden.errors import ShiftbookError
from golden.files import write_bytes
from golden.graph import JSON, Fields, graph_of, network_from, tensors_of
from golden.network import Network
from golden.spec import DEFAULT, Spec
from golden.validate import validate

VERSION = 3
"""Version of the format that this program writes, and the only one that it reads."""

KEY = "shiftbook"
"""The one entry of the safetensors metadata: ``VERSION SHA256 GRAPH``."""

CODING = ("code_length", "gap_symbols", "table_entries", "position_width")
"""The fields of the spec that the streams depend on; stored, so that a reader needs no spec."""


@dataclass(frozen=True)
class Contents:
    """A file's graph and tensors, checksums verified and nothing decoded."""

    graph: JSON
    tensors: Mapping[str, Bytes]
    file_bytes: int


def save(network: Network, path: str | os.PathLike[str], spec: Spec = DEFAULT) -> None:
    """Write a checkpoint; either the whole file appears under its name or nothing changes.

    Parameters
    ----------
    network
        Its integers, checked by ``golden.validate`` first.
    path
        Replaced if it exists.
    spec
        Widths and alphabets of the streams.

    Raises
    ------
    ShiftbookError
        The network is not valid, a layer cannot be coded, or the file cannot be written.
    """
    validate(network)
    write_bytes(Path(path), serialize(network, spec))


def load(path: str | os.PathLike[str]) -> Network:
    """Read a checkpoint, decode all of it and check everything.

    Raises
    ------
    ShiftbookError
        The file cannot be read, is foreign, damaged or newer, or its content contradicts itself.
    """
    return network_of(read(path), path)


def read(path: str | os.PathLike[str]) -> Contents:
    """Read a file and verify its format, version and checksums.

    Raises
    ------
    ShiftbookError
        The file cannot be read, is foreign, damaged or newer.
    """
    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
            kinds = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            foreign = [
                name for name, kind in kinds.items() if (kind.get_dtype(), len(kind.get_shape())) != ("U8", 1)
            ]
            tensors = {name: np.array(file.get_tensor(name)) for name in kinds if not foreign}
        file_bytes = os.path.getsize(path)
    except (OSError, SafetensorError) as error:
        _refuse_unreadable(path, error)
    graph = _checked_graph(path, metadata)
    if foreign:
        raise ShiftbookError(f"{path} is damaged: tensor {foreign[0]} is not a row of bytes")
    sums = graph.pop("sha256", None)
    if not isinstance(sums, dict):
        raise ShiftbookError(f"{path} is no valid checkpoint: it has no checksums")
    for name in sorted(set(sums) | set(tensors)):
        if name not in tensors:
            raise ShiftbookError(f"{path} is damaged: tensor {name} is missing")
        if name not in sums:
            raise ShiftbookError(f"{path} is damaged: tensor {name} does not belong to it")
        if _sha256(tensors[name].tobytes()) != sums[name]:
            raise ShiftbookError(f"{path} is damaged: the checksum of tensor {name} is wrong")
    return Contents(graph, tensors, file_bytes)


def network_of(contents: Contents, path: str | os.PathLike[str]) -> Network:
    """Decode what a file holds and check everything; ``path`` names the file in errors.

    Raises
    ------
    ShiftbookError
        The content contradicts itself.
    """
    try:
        graph = dict(contents.graph)
        graph.pop("tool", None)
        network = network_from(graph, contents.tensors, coding_of(graph.pop("coding", None)))
        validate(network)
    except ShiftbookError as error:
        raise ShiftbookError(f"{path} is no valid checkpoint: {error}") from error
    return network


def contents_of(network: Network, spec: Spec = DEFAULT) -> Contents:
    """What the file of a network would hold.

    Raises
    ------
    ShiftbookError
        A layer cannot be coded.
    """
    tensors = tensors_of(network, spec)
    graph = finished_graph(network, tensors, spec)
    return Contents(graph, tensors, len(file_of(graph, tensors)))


def serialize(network: Network, spec: Spec = DEFAULT) -> bytes:
    """The bytes of a checkpoint file. The same network always gives the same bytes."""
    tensors = tensors_of(network, spec)
    return file_of(finished_graph(network, tensors, spec), tensors)


def finished_graph(network: Network, tensors: Mapping[str, Bytes], spec: Spec) -> JSON:
    """The graph with the tool's version, what the streams were coded for, and the tensors' checksums."""
    return {
        "tool": _tool_version(),
        "coding": {name: getattr(spec, name) for name in CODING},
        **graph_of(network),
        "sha256": {name: _sha256(data.tobytes()) for name, data in tensors.items()},
    }


def file_of(graph: JSON, tensors: Mapping[str, Bytes]) -> bytes:
    """A checkpoint file from a finished graph and its tensors."""
    try:
        text = json.dumps(graph, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ShiftbookError(f"facts and scales must be finite JSON values: {error}") from error
    # One entry, because safetensors writes several in random order and equal networks give equal files.
    return to_bytes(dict(tensors), metadata={KEY: f"{VERSION} {_sha256(text.encode())} {text}"})


def _refuse_unreadable(path: str | os.PathLike[str], error: Exception) -> NoReturn:
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        raise ShiftbookError(f"cannot read {path}: {reason}; name a checkpoint file") from error
    reason = " ".join(str(error).split())
    raise ShiftbookError(
        f"{path} is no shiftbook checkpoint, or a truncated or damaged one: no safetensors file ({reason})"
    ) from error


def _checked_graph(path: str | os.PathLike[str], metadata: Mapping[str, str]) -> JSON:
    """The graph in the metadata, its version and checksum verified."""
    if KEY not in metadata:
        raise ShiftbookError(
            f"{path} is a safetensors file, but no shiftbook checkpoint: make one with compress"
        )
    stated, _, rest = metadata[KEY].partition(" ")
    checksum, _, text = rest.partition(" ")
    if stated.isascii() and stated.isdigit() and len(stated) < 10 and int(stated) > VERSION:
        raise ShiftbookError(f"{path} has checkpoint format {stated}, newer than {VERSION}: update shiftbook")
    if stated in ("1", "2"):
        raise ShiftbookError(f"{path} has checkpoint format {stated}, older than {VERSION}: make it again")
    if stated != str(VERSION) or _sha256(text.encode(errors="replace")) != checksum:
        raise ShiftbookError(f"{path} is damaged: the checksum of its graph is wrong")
    try:
        graph = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ShiftbookError(f"{path} is no valid checkpoint: its graph is no JSON ({error})") from error
    if not isinstance(graph, dict):
        raise ShiftbookError(f"{path} is no valid checkpoint: its graph is no JSON object")
    return graph


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def coding_of(values: object) -> Spec:
    """The spec that the streams of a file were coded for, from the entry ``coding`` of its graph.

    Raises
    ------
    ShiftbookError
        It is no such entry.
    """
    if not isinstance(values, dict):
        raise ShiftbookError(f"coding must be an object, not {values!r:.40}")
    fields = Fields(values, "coding")
    chosen: dict[str, Any] = {name: fields.integer(name) for name in CODING}
    fields.finish()
    return replace(DEFAULT, **chosen)


def _tool_version() -> str:
    try:
        return version("shiftbook")
    except PackageNotFoundError:  # run from a source folder that is not installed
        return "unknown"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
