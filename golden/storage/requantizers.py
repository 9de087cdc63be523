"""A requantizer in a checkpoint: what its channels share in the graph, the rest in a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shiftbook.golden.coding.bits import Bytes
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.function_table import FunctionTable
from shiftbook.golden.model.weights import Requantize
from shiftbook.golden.storage.fields import JSON, Fields
from shiftbook.golden.storage.packing import unpack_requantize


def requantize_name(name: str) -> str:
    """The tensor of a node's requantizer."""
    return f"{name}.requantize"


def shared_fields(parameters: Requantize | None, functions: Sequence[FunctionTable]) -> JSON | None:
    """The part of a requantizer that all channels share; null for none. It names its function by number."""
    if parameters is None:
        return None
    return {
        "zero_point": int(parameters.zero_point),
        "low": int(parameters.low),
        "high": int(parameters.high),
        "residual_multiplier": parameters.residual_multiplier,
        **({} if parameters.function is None else {"function": functions.index(parameters.function)}),
    }


def read_requantize(
    fields: JSON, what: str, data: Bytes, channels: int, functions: Sequence[FunctionTable]
) -> Requantize:
    """A requantizer of ``channels`` channels from its shared fields and its tensor.

    Raises
    ------
    ShiftbookError
        A field is missing, unknown or out of range; the tensor has another size.
    """
    shared = Fields(fields, f"{what}'s requantizer")
    zero_point, low, high = (shared.integer(name, 0, 255) for name in ("zero_point", "low", "high"))
    residual = shared.integer_or_none("residual_multiplier")
    function = _function(shared, functions) if "function" in fields else None
    shared.finish()
    return replace(unpack_requantize(data, channels, zero_point, low, high, residual), function=function)


def _function(shared: Fields, functions: Sequence[FunctionTable]) -> FunctionTable:
    number = shared.integer("function")
    if number >= len(functions):
        raise ShiftbookError(
            f"{shared.what}: field 'function' must name one of {len(functions)} function tables, not {number}"
        )
    return functions[number]
