"""Convolution: its streams, its Huffman tables and its requantizer are tensors."""

from __future__ import annotations

from typing import cast, get_args

from shiftbook.golden.coding.bits import Bytes
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.model.weights import Along, Codebooks
from shiftbook.golden.storage.fields import JSON, MAX_INTEGER, Fields
from shiftbook.golden.storage.nodes.base import Coding, Entry, Reading
from shiftbook.golden.storage.packing import (
    LayerShape,
    is_balanced,
    pack_layer,
    pack_requantize,
    unpack_layer,
)
from shiftbook.golden.storage.requantizers import read_requantize, requantize_name, shared_fields

MAX_POSITIONS = 1 << 31
"""Weights that a layer may state; see `golden.storage.fields.MAX_INTEGER`."""


class ConvEntry(Entry[Conv]):
    """A convolution."""

    kind = "conv"
    node = Conv

    def fields(self, node: Conv, coding: Coding) -> JSON:
        vectors = node.weights.vectors
        return {
            "shape": list(node.weights.integers.shape),
            "codes": node.weights.codewords.shape[1],
            "scheme": node.weights.scheme,
            "gapless": node.weights.gapless,
            "balanced": is_balanced(node.weights, coding.slots),
            "vectors": None
            if vectors is None
            else [coding.codebooks.index(vectors.codebooks), vectors.along],
            "groups": node.groups,
            "residual": node.residual,
            **({"copies": node.copies} if node.copies > 1 else {}),
            **({"dilation": list(node.dilation)} if node.dilation != (1, 1) else {}),
            "source": node.source,
            "stride": list(node.stride),
            "padding": list(node.padding),
            "requantize": shared_fields(node.requantize, coding.functions),
        }

    def tensors(self, node: Conv, coding: Coding) -> dict[str, Bytes]:
        packed = pack_layer(node.weights, coding.slots, coding.spec)
        parts = (packed.streams, packed.tables, pack_requantize(node.requantize))
        return dict(zip(conv_tensors(node.name), parts, strict=True))

    def read(self, name: str, fields: Fields, reading: Reading) -> Conv:
        coding = reading.coding
        outputs, rows, cols, channels = fields.integers("shape", 4)
        layer = LayerShape(
            shape=(outputs, rows, cols, channels),
            codes=fields.integer("codes", 1, coding.spec.code_symbols),
            scheme=fields.text("scheme"),
            gapless=fields.take("gapless", bool),
            balanced=fields.take("balanced", bool),
            vectors=_vectors(fields, coding.codebooks),
        )
        if not 0 < outputs * rows * cols * channels <= MAX_POSITIONS:
            raise ShiftbookError(f"{fields.what}: shape {layer.shape} is absurd")
        reading.budget.weights(name, outputs * rows * cols * channels)  # before memory is taken for them
        residual = fields.text_or_none("residual")
        copies = fields.integer("copies", 1, MAX_INTEGER // outputs) if "copies" in fields.values else 1
        stride, padding = fields.integers("stride", 2), fields.signed_integers("padding", 4)
        dilation = fields.integers("dilation", 2) if "dilation" in fields.values else (1, 1)
        shared = fields.take("requantize", dict)
        streams, tables, requantize = (reading.take(tensor) for tensor in conv_tensors(name))
        try:
            weights = unpack_layer(streams, tables, layer, coding.slots, coding.spec)
            parameters = read_requantize(shared, fields.what, requantize, outputs * copies, coding.functions)
        except ShiftbookError as error:
            raise ShiftbookError(f"{fields.what}: {error}") from error
        return Conv(
            name=name,
            source=fields.text("source"),
            weights=weights,
            requantize=parameters,
            stride=cast(tuple[int, int], stride),
            padding=cast(tuple[int, int, int, int], padding),
            groups=fields.integer("groups", 1),
            residual=residual,
            copies=copies,
            dilation=cast(tuple[int, int], dilation),
        )


def conv_tensors(name: str) -> tuple[str, str, str]:
    """The tensors of a convolution: its streams, their tables, and its requantizer."""
    return f"{name}.streams", f"{name}.tables", requantize_name(name)


def _vectors(fields: Fields, sets: tuple[Codebooks, ...]) -> tuple[Codebooks, Along] | None:
    """The set of codebooks that a layer names, and how its vectors lie."""
    named = fields.list_or_none("vectors")
    if named is None:
        return None
    known = len(named) == 2 and type(named[0]) is int and type(named[1]) is str
    if not known or named[0] not in range(len(sets)) or named[1] not in get_args(Along):
        raise ShiftbookError(
            f"{fields.what}: vectors must name one of {len(sets)} sets of codebooks and one of "
            f"{get_args(Along)}, not {named!r:.40}"
        )
    return sets[named[0]], named[1]
