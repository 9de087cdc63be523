"""The checkpoint file: one safetensors file, checksummed, versioned and written atomically.

docs/checkpoint-format.md describes it to the bit. Nothing in a checkpoint is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata as installed
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from shiftbook.golden.coding.bits import Bytes
from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.golden.files import write_bytes
from shiftbook.golden.inputs import check_file
from shiftbook.golden.limits import limits
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.validate import validate
from shiftbook.golden.spec import DEFAULT, Spec
from shiftbook.golden.storage.fields import JSON, Fields
from shiftbook.golden.storage.graph import graph_of, network_from, tensors_of
from shiftbook.golden.storage.upgrade import from_version_2
from shiftbook.golden.strict_json import parse

VERSION = 3
"""Version of the format that this program writes; it also reads the one before."""

KEY = "shiftbook"
"""The one entry of the safetensors metadata: ``VERSION SHA256 GRAPH``."""

HINT = "name a checkpoint file"

MAX_DEPTH = 64
"""Lists and objects within each other in the graph, facts above all."""

CODING = ("code_length", "gap_symbols", "table_entries", "position_width")
"""The fields of the spec that the streams depend on; stored, so that a reader needs no spec."""


@dataclass(frozen=True)
class Contents:
    """A file's graph and tensors, checksums verified and nothing decoded."""

    graph: JSON
    tensors: Mapping[str, Bytes]
    file_bytes: int
    version: int


def save(network: Network, path: str | os.PathLike[str], spec: Spec = DEFAULT) -> None:
    """Write a checkpoint; either the whole file appears under its name or nothing changes.

    Parameters
    ----------
    network
        Its integers, checked by ``golden.model.validate`` first.
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
    check_file(path, HINT)
    try:
        _check_size(path)
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
    graph, version = _checked_graph(path, metadata)
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
        if _sha256(tensors[name].data) != sums[name]:
            raise ShiftbookError(f"{path} is damaged: the checksum of tensor {name} is wrong")
    return Contents(graph, tensors, file_bytes, version)


def network_of(contents: Contents, path: str | os.PathLike[str]) -> Network:
    """Decode what a file holds and check everything; ``path`` names the file in errors.

    Raises
    ------
    ShiftbookError
        The content contradicts itself.
    """
    try:
        graph, tensors = dict(contents.graph), contents.tensors
        if contents.version < VERSION:
            graph, tensors = from_version_2(graph, tensors)
        graph.pop("tool", None)
        network = network_from(graph, tensors, coding_of(graph.pop("coding", None)))
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
    return Contents(graph, tensors, len(file_of(graph, tensors)), VERSION)


def serialize(network: Network, spec: Spec = DEFAULT) -> bytes:
    """The bytes of a checkpoint file. The same network always gives the same bytes."""
    tensors = tensors_of(network, spec)
    return file_of(finished_graph(network, tensors, spec), tensors)


def finished_graph(network: Network, tensors: Mapping[str, Bytes], spec: Spec) -> JSON:
    """The graph with the tool's version, what the streams were coded for, and the tensors' checksums."""
    return {
        "tool": _tool_version(),
        "coding": {name: getattr(spec, name) for name in CODING},
        **graph_of(network, spec),
        "sha256": {name: _sha256(data.data) for name, data in tensors.items()},
    }


def file_of(graph: JSON, tensors: Mapping[str, Bytes]) -> bytes:
    """A checkpoint file from a finished graph and its tensors."""
    try:
        text = json.dumps(graph, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ShiftbookError(f"facts and scales must be finite JSON values: {error}") from error
    # One entry, because safetensors writes several in random order and equal networks give equal files.
    return to_bytes(dict(tensors), metadata={KEY: f"{VERSION} {_sha256(text.encode())} {text}"})


def _check_size(path: str | os.PathLike[str]) -> None:
    """Refuse by its size what is too large to be read; the header's is in the first eight bytes."""
    bounds = limits()
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        bounds.check(f"{path} has too many bytes for a checkpoint", "checkpoint_bytes", size)
        header = int.from_bytes(file.read(8), "little")
    if header <= size:  # else it is a file of another kind, or a truncated one
        bounds.check(f"{path} has too many bytes in its header", "graph_bytes", header)


def _refuse_unreadable(path: str | os.PathLike[str], error: Exception) -> NoReturn:
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        raise ShiftbookError(f"cannot read {path}: {reason}; {HINT}") from error
    reason = first_line(error)
    raise ShiftbookError(
        f"{path} is no shiftbook checkpoint, or a truncated or damaged one: no safetensors file ({reason})"
    ) from error


def _checked_graph(path: str | os.PathLike[str], metadata: Mapping[str, str]) -> tuple[JSON, int]:
    """The graph in the metadata, its version and checksum verified; and the version."""
    if KEY not in metadata:
        raise ShiftbookError(
            f"{path} is a safetensors file, but no shiftbook checkpoint: make one with compress"
        )
    stated, _, rest = metadata[KEY].partition(" ")
    checksum, _, text = rest.partition(" ")
    if stated.isascii() and stated.isdigit() and len(stated) < 10 and int(stated) > VERSION:
        raise ShiftbookError(f"{path} has checkpoint format {stated}, newer than {VERSION}: update shiftbook")
    if stated == "1":
        raise ShiftbookError(f"{path} has checkpoint format {stated}, older than {VERSION}: make it again")
    if stated not in (str(VERSION - 1), str(VERSION)) or _sha256(text.encode(errors="replace")) != checksum:
        raise ShiftbookError(f"{path} is damaged: the checksum of its graph is wrong")
    try:
        graph = parse(text)
        _check_depth(graph)
    except (ValueError, RecursionError) as error:
        raise ShiftbookError(
            f"{path} is no valid checkpoint: its graph is no JSON ({first_line(error)})"
        ) from error
    if not isinstance(graph, dict):
        raise ShiftbookError(f"{path} is no valid checkpoint: its graph is no JSON object")
    return graph, int(stated)


def _check_depth(values: object) -> None:
    """Refuse what is nested deeper than it could be written again."""
    level, depth = [values], 0
    while level := [
        inner
        for outer in level
        if isinstance(outer, dict | list)
        for inner in (outer.values() if isinstance(outer, dict) else outer)
    ]:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"values are nested more than {MAX_DEPTH} deep")


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
        return installed.version("shiftbook")
    except installed.PackageNotFoundError:  # run from a source folder that is not installed
        return "unknown"


def _sha256(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()
