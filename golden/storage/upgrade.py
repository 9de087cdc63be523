"""Reads format 2: what version 3 says otherwise, rewritten before the graph is read.

Version 2 had a multiplier of 24 bits for the residual of each channel, in the channel's own shift:
``r = (residual - its zero point) * multiplier / 2^shift``. Version 3 has one for the layer, of 10 bits, 8 of
them below the point. Where both say the same number the network computes the same integers; where they
cannot, no network of version 3 computes what that of version 2 did, and the file is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

from shiftbook.golden.coding.bits import Bytes, Reader, Writer
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.integer import MAX_RESIDUAL_MULTIPLIER, MAX_SHIFT
from shiftbook.golden.spec import FRACTION
from shiftbook.golden.storage.fields import JSON, Fields
from shiftbook.golden.storage.requantizers import requantize_name

NEW = ("concat", "interleave", "resample")
"""Types of nodes that version 2 had not."""


def from_version_2(graph: JSON, tensors: Mapping[str, Bytes]) -> tuple[JSON, dict[str, Bytes]]:
    """The graph and the tensors of a file of version 2 as version 3 has them.

    Raises
    ------
    ShiftbookError
        The file has what version 2 had not, or a residual that version 3 cannot add exactly.
    """
    found = dict(tensors)
    if "outputs" in graph:
        raise ShiftbookError("checkpoint format 2 has no field 'outputs'")
    nodes = Fields(graph, "the graph").take("nodes", list)
    new = {
        "input": _with_multiplier(graph.get("input"), None),
        "nodes": [_node(node, found) for node in nodes],
    }
    return {**graph, **new}, found


def _node(node: object, tensors: dict[str, Bytes]) -> object:
    """A node of version 3; its tensor of requantizers is replaced where it held residual multipliers."""
    if not isinstance(node, dict):
        return node  # for the reader of the graph to refuse
    fields = Fields(node, "a layer")
    fields.what = f"layer {fields.text('name')}"
    if node.get("type") in NEW or "copies" in node:
        raise ShiftbookError(
            f"{fields.what}: checkpoint format 2 has no concatenations, no interleaving and no copies"
        )
    if node.get("type") != "conv" or node.get("residual") is None:
        return _with_multiplier(node, None)
    name = requantize_name(fields.text("name"))
    if name not in tensors:
        raise ShiftbookError(f"tensor {name} is missing")
    multiplier, tensors[name] = _shared_multiplier(fields, tensors[name])
    return _with_multiplier(node, multiplier)


def _with_multiplier(node: object, multiplier: int | None) -> object:
    if not isinstance(node, dict) or not isinstance(node.get("requantize"), dict):
        return node
    if "residual_multiplier" in node["requantize"]:
        raise ShiftbookError("checkpoint format 2 has no field 'residual_multiplier'")
    return {**node, "requantize": {**node["requantize"], "residual_multiplier": multiplier}}


def _shared_multiplier(fields: Fields, data: Bytes) -> tuple[int, Bytes]:
    """The layer's multiplier, and the tensor without those of the channels."""
    channels = fields.integers("shape", 4)[0]
    if not channels:
        raise ShiftbookError(f"{fields.what}: it has no output channel")
    reader = Reader(data)
    bias, multiplier, shift, residual = (reader.take_offsets(channels) for _ in range(4))
    reader.finish()
    if shift.min() < 0 or shift.max() > MAX_SHIFT:
        raise ShiftbookError(f"{fields.what}: shift must be in 0..{MAX_SHIFT}, not {shift.tolist()!r:.40}")
    common = int(residual[0]) << FRACTION >> int(shift[0])
    known = 0 <= common <= MAX_RESIDUAL_MULTIPLIER and bool((residual << FRACTION == common << shift).all())
    if not known:
        raise ShiftbookError(
            f"{fields.what}: its residual is multiplied by {residual[0] / (1 << shift[0]):.6g} in the first "
            f"channel; format 3 can only add it exactly as one multiple of 1/{1 << FRACTION} for all, "
            f"up to {MAX_RESIDUAL_MULTIPLIER}/{1 << FRACTION}: compress the network again"
        )
    writer = Writer()
    for values in (bias, multiplier, shift):
        writer.put_offsets(values)
    return common, writer.data()
