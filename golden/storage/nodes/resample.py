"""Resampling: where each line begins to take lines, and with which weights, is a tensor."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from shiftbook.golden.coding.bits import Bytes, Reader, Writer
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.nodes import Resample
from shiftbook.golden.model.nodes.resample import AXES
from shiftbook.golden.storage.fields import JSON, Fields
from shiftbook.golden.storage.nodes.base import Coding, Entry, Reading


class ResampleEntry(Entry[Resample]):
    """Weighted sums of rows, or of columns."""

    kind = "resample"
    node = Resample

    def fields(self, node: Resample, coding: Coding) -> JSON:
        lines, taps = node.weights.shape
        return {"source": node.source, "axis": node.axis, "lines": lines, "taps": taps, "shift": node.shift}

    def tensors(self, node: Resample, coding: Coding) -> dict[str, Bytes]:
        writer = Writer()
        writer.put_offsets(node.first)
        writer.put_offsets(node.weights.ravel())
        return {lines_name(node.name): writer.data()}

    def read(self, name: str, fields: Fields, reading: Reading) -> Resample:
        axis = fields.text("axis")
        if axis not in AXES:
            raise ShiftbookError(f"{fields.what}: axis must be rows or columns, not {axis!r}")
        lines, taps = fields.integer("lines", 1), fields.integer("taps", 1)
        reading.budget.weights(name, lines * taps)  # before memory is taken for them
        reader = Reader(reading.take(lines_name(name)))
        first, weights = reader.take_offsets(lines), reader.take_offsets(lines * taps)
        reader.finish()
        if weights.min() < -128 or weights.max() > 127:
            raise ShiftbookError(f"{fields.what}: weights must be in -128..127")
        return Resample(
            name=name,
            source=fields.text("source"),
            axis=cast(Any, axis),
            first=first,
            weights=weights.astype(np.int16).reshape(lines, taps),
            shift=fields.integer("shift"),
        )


def lines_name(name: str) -> str:
    """The tensor of a node's lines."""
    return f"{name}.lines"
