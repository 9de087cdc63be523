"""The tensors of a checkpoint, to the bit: docs/checkpoint-format.md says the same in words."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.coding.bits import Bytes, Reader, Stream, Writer, bytes_for, pack
from shiftbook.golden.coding.huffman import HuffmanCode
from shiftbook.golden.coding.placement import default_slots, place
from shiftbook.golden.coding.streams import LayerStreams, decode, decode_symbols, decode_vectors, encode
from shiftbook.golden.coding.vectors import vector_weights
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.weights import Along, Codebooks, Requantize, Weights
from shiftbook.golden.spec import Spec

LENGTH_BITS = 4
"""Bits of a stored Huffman code length."""

GAP_COUNT_BITS = 8
"""Bits of the number of stored gap code lengths, less one."""

VALUE_COUNT_BITS = 8
"""Bits of the number of different integers in codewords, less one."""


class PackedLayer(NamedTuple):
    """A layer's weights as stored: the slots' bit strings, and the tables that decode them."""

    streams: Bytes
    tables: Bytes


class StoredLayer(NamedTuple):
    """The tensors of a layer's weights cut apart, and nothing decoded."""

    streams: LayerStreams
    entries: NDArray[np.int16]  # the codebook; none with vectors, whose codebooks are stored apart
    owner: NDArray[np.uint8] | None  # slot_of_channel
    table_bits: int  # of the Huffman code lengths and of the codebook


class LayerShape(NamedTuple):
    """What the graph says about a layer's weights before its tensors are read."""

    shape: tuple[int, int, int, int]  # [O, kh, kw, I]
    codes: int  # entries of the codebook, or of each codebook
    scheme: str
    gapless: bool
    balanced: bool  # whether slot_of_channel is stored
    vectors: tuple[Codebooks, Along] | None = None


def is_balanced(weights: Weights, slots: int) -> bool:
    """Whether channels live in other slots than by default."""
    own = weights.slot_of_channel
    return own is not None and not np.array_equal(own, default_slots(weights.integers.shape[3], slots))


def layer_shape(weights: Weights, *, balanced: bool) -> LayerShape:
    """What a graph says about weights; ``balanced``, because it need not be :func:`is_balanced`."""
    vectors = weights.vectors
    return LayerShape(
        shape=weights.integers.shape,
        codes=weights.codewords.shape[1],
        scheme=weights.scheme,
        gapless=weights.gapless,
        balanced=balanced,
        vectors=None if vectors is None else (vectors.codebooks, vectors.along),
    )


def pack_layer(weights: Weights, slots: int, spec: Spec) -> PackedLayer:
    """Code a layer and pack it.

    Raises
    ------
    ShiftbookError
        See :func:`golden.coding.items.items_of`.
    """
    coded = encode(weights, slots, spec)
    strings = (*coded.gaps, *coded.codes)
    writer = Writer()
    writer.put_offsets([string.bits for string in strings])
    if coded.gap_code is not None:
        lengths = _stored_gap_lengths(coded.gap_code)
        writer.put(len(lengths) - 1, GAP_COUNT_BITS)
        writer.put(lengths, LENGTH_BITS)
    if weights.vectors is None:
        writer.put(coded.code_code.lengths, LENGTH_BITS)
        writer.put_offsets(weights.codebook)
    if is_balanced(weights, slots):
        assert weights.slot_of_channel is not None
        writer.put(weights.slot_of_channel, slot_width(slots))
    return PackedLayer(np.concatenate([string.data for string in strings]), writer.data())


def read_layer(streams: Bytes, tables: Bytes, layer: LayerShape, slots: int, spec: Spec) -> StoredLayer:
    """The parts of a layer's two tensors.

    Raises
    ------
    ShiftbookError
        The tensors contradict the shape, each other or the format.
    """
    reader = Reader(tables)
    sizes = reader.take_offsets(slots if layer.gapless else 2 * slots)
    before = reader.position
    gap_code = None if layer.gapless else _take_gap_code(reader, spec)
    entries: NDArray[np.int16] = np.zeros(0, np.int16)
    if layer.vectors is None:
        code_code = HuffmanCode.from_lengths(reader.take(layer.codes, LENGTH_BITS))
        entries = _int16(reader.take_offsets(layer.codes))
    else:
        code_code = HuffmanCode.from_lengths(layer.vectors[0].lengths)
    table_bits = reader.position - before
    owner = None
    if layer.balanced:
        owner = reader.take(layer.shape[3], slot_width(slots)).astype(np.uint8)
    reader.finish()
    strings = _split(streams, [int(size) for size in sizes])
    gaps = () if gap_code is None else strings[:slots]
    return StoredLayer(LayerStreams(gap_code, code_code, gaps, strings[-slots:]), entries, owner, table_bits)


def unpack_layer(streams: Bytes, tables: Bytes, layer: LayerShape, slots: int, spec: Spec) -> Weights:
    """The weights of a layer, from its two tensors.

    Raises
    ------
    ShiftbookError
        The tensors contradict the shape, each other or the format.
    """
    coded, entries, owner, _ = read_layer(streams, tables, layer, slots, spec)
    _, kh, kw, channels = layer.shape
    placement = place((kh, kw), channels, slots, spec, owner)
    if layer.vectors is None:
        integers = decode(coded, layer.shape, entries, placement, spec)
        weights = Weights(integers, entries, layer.scheme, layer.gapless, owner)
        # A file may say what is so by default; what is read is then what is written again.
        return weights if is_balanced(weights, slots) else replace(weights, slot_of_channel=None)
    vectors = decode_vectors(coded, layer.shape[0], *layer.vectors, placement, spec)
    if layer.gapless != bool(vectors.present.all()):
        raise ShiftbookError("a layer with gaps has every vector")
    return vector_weights(vectors, layer.shape, layer.scheme, slots, spec)


def pack_codebooks(codebooks: Codebooks, spec: Spec) -> PackedLayer:
    """Pack codewords, Huffman coded integer by integer, and the code lengths of their codes."""
    values, index = np.unique(codebooks.codewords, return_inverse=True)
    code = HuffmanCode.from_counts(np.bincount(index.ravel()), spec.code_length)
    string = pack(code.codes[index.ravel()], code.lengths[index.ravel()])
    writer = Writer()
    writer.put_offsets([string.bits])
    writer.put(codebooks.lengths, LENGTH_BITS)
    writer.put(len(values) - 1, VALUE_COUNT_BITS)
    writer.put_offsets(values)
    writer.put(code.lengths, LENGTH_BITS)
    return PackedLayer(string.data, writer.data())


def unpack_codebooks(streams: Bytes, tables: Bytes, shape: tuple[int, int, int]) -> Codebooks:
    """The inverse of :func:`pack_codebooks`, for [M, K, d] = ``shape``.

    Raises
    ------
    ShiftbookError
        The tensors contradict the shape, each other or the format.
    """
    reader = Reader(tables)
    sizes = reader.take_offsets(1)
    lengths = reader.take(shape[1], LENGTH_BITS).astype(np.uint8)
    HuffmanCode.from_lengths(lengths)
    count = int(reader.take(1, VALUE_COUNT_BITS)[0]) + 1
    values = _int16(reader.take_offsets(count))
    code = HuffmanCode.from_lengths(reader.take(count, LENGTH_BITS))
    reader.finish()
    (symbols,) = decode_symbols(_split(streams, [int(size) for size in sizes]), code)
    if len(symbols) != shape[0] * shape[1] * shape[2]:
        raise ShiftbookError(f"the codebooks hold {len(symbols)} weights, not those of shape {shape}")
    return Codebooks(values[symbols].reshape(shape), lengths)


def _int16(codebook: NDArray[np.int64]) -> NDArray[np.int16]:
    if codebook.min() < -(1 << 15) or codebook.max() >= 1 << 15:
        wrong = codebook[codebook != codebook.astype(np.int16)]
        raise ShiftbookError(f"the codebook must hold 16-bit integers, not {int(wrong[0])}")
    return codebook.astype(np.int16)


def pack_requantize(parameters: Requantize) -> Bytes:
    """The per-channel parameters; what all channels share is in the graph."""
    writer = Writer()
    for values in (parameters.bias, parameters.multiplier, parameters.shift):
        writer.put_offsets(values)
    return writer.data()


def unpack_requantize(
    data: Bytes, channels: int, zero_point: int, low: int, high: int, residual_multiplier: int | None
) -> Requantize:
    """The inverse of :func:`pack_requantize`, for ``channels`` channels."""
    reader = Reader(data)
    bias, multiplier, shift = (reader.take_offsets(channels) for _ in range(3))
    reader.finish()
    return Requantize(bias, multiplier, shift, zero_point, low, high, residual_multiplier)


def slot_width(slots: int) -> int:
    """Bits of a slot's number."""
    return (slots - 1).bit_length()


def _stored_gap_lengths(code: HuffmanCode) -> NDArray[np.int64]:
    """Lengths in the order escape, 0, 1, ..., up to the last in use: the escape nearly always occurs."""
    lengths = np.roll(code.lengths, 1)
    return lengths[: int(np.flatnonzero(lengths)[-1]) + 1]


def _take_gap_code(reader: Reader, spec: Spec) -> HuffmanCode:
    count = int(reader.take(1, GAP_COUNT_BITS)[0]) + 1
    if count > spec.gap_symbols:
        raise ShiftbookError(f"{count} gap code lengths are stored for {spec.gap_symbols} gap symbols")
    lengths: NDArray[np.int64] = np.zeros(spec.gap_symbols, dtype=np.int64)
    lengths[:count] = reader.take(count, LENGTH_BITS)
    return HuffmanCode.from_lengths(np.roll(lengths, -1))


def _split(data: Bytes, sizes: list[int]) -> tuple[Stream, ...]:
    """Cut the bit strings apart, each of which starts at a byte."""
    if min(sizes) < 0 or sum(map(bytes_for, sizes)) != len(data):
        raise ShiftbookError(f"streams of {sizes} bits do not make up the {len(data)} bytes that are stored")
    strings = []
    start = 0
    for size in sizes:
        stream = Stream(data[start : start + bytes_for(size)], size)
        if size % 8 and stream.data[-1] & (0xFF >> size % 8):
            raise ShiftbookError("the padding of a stream's last byte is not zero")
        strings.append(stream)
        start += bytes_for(size)
    return tuple(strings)
