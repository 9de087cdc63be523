"""The entries of nodes in a checkpoint, a file for each kind."""

from __future__ import annotations

from typing import Any

from shiftbook.golden.coding.bits import Bytes
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.nodes import Node
from shiftbook.golden.registry import classes_in
from shiftbook.golden.storage.fields import JSON, Fields
from shiftbook.golden.storage.nodes.base import Coding, Entry, Reading

ENTRIES: tuple[Entry[Any], ...] = tuple(kind() for kind in classes_in(__name__, __path__, Entry))
"""One for each kind of node: what the files of this package define."""

_BY_KIND = {entry.kind: entry for entry in ENTRIES}
_BY_NODE = {entry.node: entry for entry in ENTRIES}


def node_fields(node: Node, coding: Coding) -> JSON:
    """A node's fields in the graph."""
    entry = _BY_NODE[type(node)]
    return {"type": entry.kind, "name": node.name, **entry.fields(node, coding)}


def node_tensors(node: Node, coding: Coding) -> dict[str, Bytes]:
    """A node's tensors by name."""
    return _BY_NODE[type(node)].tensors(node, coding)


def read_node(fields: Fields, reading: Reading) -> Node:
    """A node from its fields and tensors.

    Raises
    ------
    ShiftbookError
        The kind is unknown; a field is missing, unknown or of the wrong type; a tensor is missing or does not
        decode.
    """
    kind, name = fields.text("type"), fields.text("name")
    fields.what = f"layer {name}"
    if kind not in _BY_KIND:
        *known, last = _BY_KIND
        raise ShiftbookError(f"{fields.what}: type must be {', '.join(known)} or {last}, not {kind!r}")
    node: Node = _BY_KIND[kind].read(name, fields, reading)
    fields.finish()
    return node
