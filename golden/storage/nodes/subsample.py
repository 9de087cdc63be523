"""Subsampling: all of it is in the graph."""

from __future__ import annotations

from shiftbook.golden.model.nodes import Subsample
from shiftbook.golden.storage.fields import JSON, Fields
from shiftbook.golden.storage.nodes.base import Coding, Entry, Reading


class SubsampleEntry(Entry[Subsample]):
    """The shortcut without parameters."""

    kind = "subsample"
    node = Subsample

    def fields(self, node: Subsample, coding: Coding) -> JSON:
        return {"source": node.source, "stride": node.stride, "before": node.before, "after": node.after}

    def read(self, name: str, fields: Fields, reading: Reading) -> Subsample:
        return Subsample(
            name=name,
            source=fields.text("source"),
            stride=fields.integer("stride", 1),
            before=fields.integer("before"),
            after=fields.integer("after"),
        )
