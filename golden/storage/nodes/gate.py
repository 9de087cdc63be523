"""Gates: the requantizer is a tensor."""

from __future__ import annotations

from shiftbook.golden.coding.bits import Bytes
from shiftbook.golden.model.nodes import Gate
from shiftbook.golden.storage.fields import JSON, Fields
from shiftbook.golden.storage.nodes.base import Coding, Entry, Reading
from shiftbook.golden.storage.packing import pack_requantize
from shiftbook.golden.storage.requantizers import read_requantize, requantize_name, shared_fields


class GateEntry(Entry[Gate]):
    """Every channel times its gate."""

    kind = "gate"
    node = Gate

    def fields(self, node: Gate, coding: Coding) -> JSON:
        shared = shared_fields(node.requantize, coding.functions)
        return {"source": node.source, "gate": node.gate, "requantize": shared}

    def tensors(self, node: Gate, coding: Coding) -> dict[str, Bytes]:
        return {requantize_name(node.name): pack_requantize(node.requantize)}

    def read(self, name: str, fields: Fields, reading: Reading) -> Gate:
        shared, data = fields.take("requantize", dict), reading.take(requantize_name(name))
        requantize = read_requantize(shared, fields.what, data, 1, reading.coding.functions)
        return Gate(name, fields.text("source"), fields.text("gate"), requantize)
