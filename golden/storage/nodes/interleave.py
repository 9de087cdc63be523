"""Interleaving: all of it is in the graph."""

from __future__ import annotations

from shiftbook.golden.model.nodes import Interleave
from shiftbook.golden.storage.fields import JSON, Fields
from shiftbook.golden.storage.nodes.base import Coding, Entry, Reading


class InterleaveEntry(Entry[Interleave]):
    """The pixels of four tensors."""

    kind = "interleave"
    node = Interleave

    def fields(self, node: Interleave, coding: Coding) -> JSON:
        return {"sources": list(node.sources)}

    def read(self, name: str, fields: Fields, reading: Reading) -> Interleave:
        return Interleave(name=name, sources=fields.texts("sources"))
