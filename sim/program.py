"""What the host sends to the engine for one layer: configuration writes, streams, channel parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden import items, streams
from golden.errors import ShiftbookError
from golden.huffman import HuffmanCode
from golden.network import Codebooks, Conv, Requantize
from golden.placement import Placement
from golden.spec import Spec
from golden.streams import LayerStreams
from golden.support import table_entries
from golden.terms import codeword_rows, row_bits, row_width
from golden.tiles import Geometry, Tap, tap_table
from hw import registers
from hw.registers import Region, Register

Words = NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class Program:
    """One layer, ready to be sent; the same for all its tiles.

    Attributes
    ----------
    address, data
        uint16 [n] and uint32 [n]: configuration writes, in order.
    gaps, codes
        For each slot the words of its streams, all that a decoder may ask for. Without gap streams (gapless
        layer, dense feed) ``gaps`` holds empty arrays.
    channels
        uint64 [O] the parameters of each output channel, packed as `registers.channel_parameters` says.
    """

    address: NDArray[np.uint16]
    data: Words
    gaps: tuple[Words, ...]
    codes: tuple[Words, ...]
    channels: NDArray[np.uint64]


def build(
    conv: Conv,
    layout: Geometry,
    placement: Placement,
    spec: Spec,
    coded: LayerStreams | None = None,
    loaded: Codebooks | None = None,
) -> Program:
    """The program of a layer.

    Parameters
    ----------
    coded
        The layer's streams where they are at hand, coded for this spec's slots; else they are coded here.
    loaded
        Codebooks that the engine holds from the layer before; they are not written again.

    Raises
    ------
    ShiftbookError
        Something does not fit the spec.
    """
    writes = _Writes()
    gapless = conv.weights.gapless or spec.feed == "dense"
    _registers(writes, conv, layout, placement, gapless, spec)
    _taps(writes, conv, layout, placement, spec)
    no_words = (np.zeros(0, np.uint32),) * spec.slots
    if spec.feed == "dense":
        gaps, codes = no_words, streams.dense_words(conv.weights, spec.slots, spec)
    else:
        coded = coded or streams.encode(conv.weights, spec.slots, spec)
        if len(coded.codes) != spec.slots:
            raise ShiftbookError(
                f"layer {conv.name}: coded for {len(coded.codes)} slots and the spec has {spec.slots}: "
                "code it again"
            )
        if loaded is None or conv.weights.vectors is None or conv.weights.vectors.codebooks is not loaded:
            _codebooks(writes, conv, coded.code_code, spec)
        gaps = no_words
        if coded.gap_code is not None:
            _gap_code(writes, conv, coded.gap_code, spec)
            gaps = tuple(streams.words(stream, spec.word_width) for stream in coded.gaps)
        codes = tuple(streams.words(stream, spec.word_width) for stream in coded.codes)
    address, data = writes.arrays()
    return Program(address, data, gaps, codes, channel_words(conv.requantize, spec))


def channel_words(parameters: Requantize, spec: Spec) -> NDArray[np.uint64]:
    """uint64 [O] the words of the ``channels`` stream."""
    return registers.pack(
        registers.channel_parameters(spec),
        bias=parameters.bias,
        multiplier=parameters.multiplier,
        shift=parameters.shift,
    )


class _Writes:
    """Configuration writes in the making."""

    def __init__(self) -> None:
        self._address: list[NDArray[np.uint16]] = []
        self._data: list[Words] = []

    def add(self, region: Region, index: ArrayLike, data: ArrayLike) -> None:
        self._address.append(np.atleast_1d(registers.address(region, index)))
        self._data.append(np.atleast_1d(np.asarray(data)).astype(np.uint32))

    def arrays(self) -> tuple[NDArray[np.uint16], Words]:
        return np.concatenate(self._address), np.concatenate(self._data)


def _registers(
    writes: _Writes, conv: Conv, layout: Geometry, placement: Placement, gapless: bool, spec: Spec
) -> None:
    way = items.walk_of(conv.weights, placement)
    values = {
        Register.POSITIONS: placement.positions if spec.feed == "dense" else way.span,
        Register.CHANNEL_BITS: placement.channel_bits,
        Register.CHANNEL_SHIFT: layout.channel_shift,
        Register.OUTPUT_CHANNELS: len(conv.weights.integers),
        Register.GAPLESS: int(gapless),
        Register.ZERO_POINT: conv.requantize.zero_point,
        Register.CLAMP_LOW: conv.requantize.low,
        Register.CLAMP_HIGH: conv.requantize.high,
    }
    if spec.feed == "coded":
        books = len(conv.weights.codewords)
        values |= {Register.STEP: way.step, Register.BOOKS: books - 1, Register.OFFSET_SHIFT: way.shift}
    fields = registers.register_fields(spec)
    for register, value in values.items():
        writes.add(
            Region.REGISTERS, register, registers.pack((fields[register],), **{fields[register].name: value})
        )


def _taps(writes: _Writes, conv: Conv, layout: Geometry, placement: Placement, spec: Spec) -> None:
    table = tap_table(conv, layout, placement)
    index = np.arange(spec.slots)[:, None] * spec.table_entries + np.arange(placement.entries)
    values = {name: table[..., column] for column, name in enumerate(Tap._fields)}
    if spec.feed == "coded":
        exists = placement.source >= 0
        values["channels"] = exists.reshape(spec.slots, placement.entries, -1).sum(axis=2)
    writes.add(Region.TAPS, index.ravel(), registers.pack(registers.tap(spec), **values).ravel())
    if spec.feed == "coded":
        # Vectors may reach beyond the last weight, where a row must find nothing.
        end = table_entries(items.walk_of(conv.weights, placement), placement)
        beyond = np.arange(spec.slots)[:, None] * spec.table_entries + np.arange(placement.entries, end)
        writes.add(Region.TAPS, beyond.ravel(), np.zeros(beyond.size, np.uint64))


def _huffman(writes: _Writes, region: Region, code: HuffmanCode, symbols: int, spec: Spec) -> None:
    limits = code.limits(spec.code_length)
    offsets = code.offsets(spec.code_length, registers.rank_width(symbols))
    words = registers.pack(registers.huffman_length(spec, symbols), limit=limits, offset=offsets)
    writes.add(region, np.arange(spec.code_length), words)


def _gap_code(writes: _Writes, conv: Conv, code: HuffmanCode, spec: Spec) -> None:
    if len(code.lengths) != spec.gap_symbols:
        raise ShiftbookError(
            f"layer {conv.name}: coded with {len(code.lengths)} gap symbols and the spec has "
            f"{spec.gap_symbols}: code it again"
        )
    _huffman(writes, Region.GAP_CODE, code, spec.gap_symbols, spec)
    ranks = np.arange(len(code.sorted_symbols))
    writes.add(Region.GAP_SYMBOLS, ranks, registers.pack(registers.gap_symbol(spec), gap=code.sorted_symbols))


def _codebooks(writes: _Writes, conv: Conv, code: HuffmanCode, spec: Spec) -> None:
    """Rows one codeword after another; each code symbol points to the first of its own."""
    codewords = conv.weights.codewords
    rows = [codeword_rows(word, spec) for word in codewords.reshape(-1, codewords.shape[2])]
    counts = np.array([len(entry) for entry in rows])
    if counts.sum() > spec.codebook_rows:
        raise ShiftbookError(
            f"layer {conv.name}: its codebook takes {counts.sum()} rows and the spec has "
            f"{spec.codebook_rows}: raise codebook_rows"
        )
    _huffman(writes, Region.CODE_CODE, code, spec.code_symbols, spec)
    books = np.arange(len(codewords))[:, None]
    entry = books * codewords.shape[1] + code.sorted_symbols  # [M, ranks]
    first = np.cumsum(counts) - counts
    symbols = registers.pack(registers.code_symbol(spec), more_rows=counts[entry] - 1, first_row=first[entry])
    index = books << registers.rank_width(spec.code_symbols) | np.arange(entry.shape[1])
    writes.add(Region.CODE_SYMBOLS, index.ravel(), symbols.ravel())
    above = row_width(spec)
    words = np.array([row_bits(row, spec) | place << above for entry in rows for place, row in entry])
    writes.add(Region.ROWS, np.arange(len(words)), words)
