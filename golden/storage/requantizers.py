"""A requantizer in a checkpoint: what its channels share in the graph, the rest in a tensor."""

from __future__ import annotations

from shiftbook.golden.coding.bits import Bytes
from shiftbook.golden.model.weights import Requantize
from shiftbook.golden.storage.fields import JSON, Fields
from shiftbook.golden.storage.packing import unpack_requantize


def requantize_name(name: str) -> str:
    """The tensor of a node's requantizer."""
    return f"{name}.requantize"


def shared_fields(parameters: Requantize | None) -> JSON | None:
    """The part of a requantizer that all channels share; null for none."""
    if parameters is None:
        return None
    return {
        "zero_point": int(parameters.zero_point),
        "low": int(parameters.low),
        "high": int(parameters.high),
        "residual_multiplier": parameters.residual_multiplier,
    }


def read_requantize(fields: JSON, what: str, data: Bytes, channels: int) -> Requantize:
    """A requantizer of ``channels`` channels from its shared fields and its tensor.

    Raises
    ------
    ShiftbookError
        A field is missing, unknown or out of range; the tensor has another size.
    """
    shared = Fields(fields, f"{what}'s requantizer")
    zero_point, low, high = (shared.integer(name, 0, 255) for name in ("zero_point", "low", "high"))
    residual = shared.integer_or_none("residual_multiplier")
    shared.finish()
    return unpack_requantize(data, channels, zero_point, low, high, residual)
