"""Concatenation: all of it is in the graph."""

from __future__ import annotations

from shiftbook.golden.model.nodes import Concat
from shiftbook.golden.storage.fields import JSON, Fields
from shiftbook.golden.storage.nodes.base import Coding, Entry, Reading


class ConcatEntry(Entry[Concat]):
    """Channels of several tensors."""

    kind = "concat"
    node = Concat

    def fields(self, node: Concat, coding: Coding) -> JSON:
        return {"sources": list(node.sources)}

    def read(self, name: str, fields: Fields, reading: Reading) -> Concat:
        return Concat(name=name, sources=fields.texts("sources"))
