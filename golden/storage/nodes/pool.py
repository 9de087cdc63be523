"""Pooling: the requantizer of an average is a tensor."""

from __future__ import annotations

from typing import Any, cast

from shiftbook.golden.coding.bits import Bytes
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.nodes import Pool
from shiftbook.golden.model.weights import Requantize
from shiftbook.golden.storage.fields import JSON, Fields
from shiftbook.golden.storage.nodes.base import Coding, Entry, Reading
from shiftbook.golden.storage.packing import pack_requantize
from shiftbook.golden.storage.requantizers import read_requantize, requantize_name, shared_fields


class PoolEntry(Entry[Pool]):
    """A maximum or an average."""

    kind = "pool"
    node = Pool

    def fields(self, node: Pool, coding: Coding) -> JSON:
        return {
            "kind": node.kind,
            "kernel": list(node.kernel),
            "source": node.source,
            "stride": list(node.stride),
            "padding": list(node.padding),
            "requantize": shared_fields(node.requantize, coding.functions),
        }

    def tensors(self, node: Pool, coding: Coding) -> dict[str, Bytes]:
        return (
            {} if node.requantize is None else {requantize_name(node.name): pack_requantize(node.requantize)}
        )

    def read(self, name: str, fields: Fields, reading: Reading) -> Pool:
        kind = fields.text("kind")
        if kind not in ("max", "average"):
            raise ShiftbookError(f"{fields.what}: kind must be max or average, not {kind!r}")
        shared = fields.object_or_none("requantize")
        return Pool(
            name=name,
            source=fields.text("source"),
            kind=cast(Any, kind),
            kernel=cast(tuple[int, int], fields.integers("kernel", 2)),
            stride=cast(tuple[int, int], fields.integers("stride", 2)),
            padding=cast(tuple[int, int, int, int], fields.integers("padding", 4)),
            requantize=None if shared is None else _requantize(name, shared, fields, reading),
        )


def _requantize(name: str, shared: JSON, fields: Fields, reading: Reading) -> Requantize:
    data = reading.take(requantize_name(name))
    return read_requantize(shared, fields.what, data, 1, reading.coding.functions)
