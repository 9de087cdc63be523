"""What the accelerator is told about a pass: the engine's tables and registers, and where tensors lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.coding import streams
from shiftbook.golden.coding.bits import Stream
from shiftbook.golden.coding.huffman import HuffmanCode
from shiftbook.golden.coding.terms import Row, Term, codeword_rows
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.isa import bit_fields, registers
from shiftbook.golden.isa.addresses import beat_address_width
from shiftbook.golden.isa.bit_fields import Field
from shiftbook.golden.isa.checksum import checksum
from shiftbook.golden.isa.layer_registers import (
    FETCHED_BY,
    LOADED_BY,
    LayerRegister,
    layer_fields,
    owner_width,
)
from shiftbook.golden.isa.program_format import Command
from shiftbook.golden.isa.registers import ADDRESSING, DATA_WIDTH, Leaving, Region, Register
from shiftbook.golden.isa.stream_registers import FIELD_BITS, StreamField
from shiftbook.golden.mapping.ahead import Ahead
from shiftbook.golden.mapping.job import Gating, Pass
from shiftbook.golden.mapping.memory import TensorLayout
from shiftbook.golden.mapping.tiles import Tap, tap_table
from shiftbook.golden.model.function_table import ENTRIES
from shiftbook.golden.model.weights import Requantize
from shiftbook.golden.program.commands import Commands
from shiftbook.golden.program.row_words import row_words
from shiftbook.golden.spec import FRACTION, LEAST_SHIFT, Spec

Bytes = NDArray[np.uint8]

GATING: dict[Gating | None, int] = {None: 0, "channel": 2, "pixel": 4}
"""Bits of the register ``residual``."""


@dataclass(frozen=True)
class Place:
    """Where a tensor lies.

    Attributes
    ----------
    address
        Beats from the beginning of the image to its first one; or its first word in the tensor buffer.
    layout
        Of the tensor, in a batch that of each image.
    step
        Beats from an image of a batch to the next; of one alone it does not count.
    local
        Whether it is in the tensor buffer.
    """

    address: int
    layout: TensorLayout
    step: int = 0
    local: bool = False

    def at(self, beats: int, spec: Spec) -> int:
        """What the accelerator is told of an address, beats from the first one; it may lie before the image.

        See `golden.isa.addresses.place_width`.
        """
        width = beat_address_width(spec)
        return _wrapped(self.address + beats, width) | self.local << width


class Codebook:
    """The rows of codewords in the engine's codebook memory, which stay there for later layers.

    Parameters
    ----------
    spec
        Rows.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._first: dict[tuple[int, ...], int] = {}
        self._next = 0

    def place(
        self, words: list[tuple[int, ...]], name: str
    ) -> tuple[list[int], list[tuple[int, tuple[int, ...]]]]:
        """Address of each entry's rows, and what is to be written: address and rows.

        Raises
        ------
        ShiftbookError
            They do not fit, not even alone.
        """
        new = sum(len(entry) for entry in dict.fromkeys(words) if entry not in self._first)
        if self._next + new > self.spec.codebook_rows:
            self._first, self._next = {}, 0
            new = sum(map(len, dict.fromkeys(words)))
        if new > self.spec.codebook_rows:
            raise ShiftbookError(
                f"layer {name}: its codebook takes {new} rows and the spec has {self.spec.codebook_rows}: "
                "raise codebook_rows"
            )
        written = []
        for entry in words:
            if entry not in self._first:
                self._first[entry] = self._next
                written.append((self._next, entry))
                self._next += len(entry)
        return [self._first[entry] for entry in words], written


def stream_data(step: Pass, spec: Spec) -> list[Bytes]:
    """The bytes of each stream: channel parameters, gaps of each slot (coded feed), codes of each slot."""
    found = [_bytes(channel_words(step.conv.requantize, spec), _parameter_bytes(spec))]
    if spec.feed == "dense":
        words = streams.dense_words(step.weights, step.placement, spec)
        return found + [_bytes(each, spec.word_width // 8) for each in words]
    coded = step.coding.streams
    gaps = [_stream_bytes(stream, spec) for stream in coded.gaps] or [np.zeros(0, np.uint8)] * spec.slots
    return [*found, *gaps, *(_stream_bytes(stream, spec) for stream in coded.codes)]


class Job(NamedTuple):
    """A pass as the program sees it.

    Attributes
    ----------
    step
        The pass.
    ahead
        What it may do while the one before runs.
    streams, addresses
        uint8: the bytes of each of its streams, and where they lie in memory, in beats.
    """

    step: Pass
    ahead: Ahead
    streams: Sequence[Bytes]
    addresses: Sequence[int]


def write_pass(
    commands: Commands, job: Job, places: Mapping[str, Place], codebook: Codebook, spec: Spec
) -> None:
    """Write everything about a pass, in the order of `Command`, and run it.

    Raises
    ------
    ShiftbookError
        Something does not fit the spec.
    """
    step = job.step
    engine = _engine(step, job.ahead, spec)
    layer = _layer(step, job.ahead, places, spec)
    _owners(commands, step, spec)
    _write_registers(commands, Region.REGISTERS, engine, ADDRESSING, registers.register_fields(spec))
    _write_registers(commands, Region.LAYER, layer, LOADED_BY, layer_fields(spec))
    commands.command(Command.LOAD)
    _write_registers(commands, Region.LAYER, layer, FETCHED_BY, layer_fields(spec))
    for number, (stream, address) in enumerate(zip(job.streams, job.addresses, strict=True)):
        _stream(commands, number, address, stream, spec)
    commands.command(Command.FETCH)
    _tables(commands, step, codebook, spec)
    commands.command(Command.SETTLE)
    _write_registers(commands, Region.REGISTERS, engine, engine.keys(), registers.register_fields(spec))
    _write_registers(commands, Region.LAYER, layer, layer.keys(), layer_fields(spec))
    commands.command(Command.RUN)


def _tables(commands: Commands, step: Pass, codebook: Codebook, spec: Spec) -> None:
    """The engine's tables."""
    _taps(commands, step, spec)
    _function(commands, step)
    if spec.feed == "coded":
        coded = step.coding.streams
        _codebooks(commands, step, coded.code_code, codebook, spec)
        if coded.gap_code is not None:
            _gap_code(commands, step, coded.gap_code, spec)


def _stream(commands: Commands, number: int, address: int, data: Bytes, spec: Spec) -> None:
    """Say where a stream lies."""
    beats = len(data) // spec.bus_bytes
    values = {
        StreamField.ADDRESS: address,
        StreamField.BEATS: beats | (beats <= spec.buffer_beats) << DATA_WIDTH - 1,
        StreamField.CHECKSUM: checksum(data.view("<u4")),
    }
    for field, value in values.items():
        commands.write(Region.STREAMS, number << FIELD_BITS | field, value)


def channel_words(parameters: Requantize, spec: Spec) -> NDArray[np.uint64]:
    """uint64 [O] the words of the ``channels`` stream.

    A shift below `LEAST_SHIFT` is made up for by the multiplier.
    """
    missing = np.maximum(LEAST_SHIFT - parameters.shift, 0)
    return bit_fields.pack(
        registers.channel_parameters(spec),
        bias=parameters.bias,
        multiplier=parameters.multiplier << missing,
        shift=np.maximum(parameters.shift - LEAST_SHIFT, 0),
    )


def _parameter_bytes(spec: Spec) -> int:
    return registers.parameter_word_width(spec) // 8


def _bytes(words: NDArray[np.unsignedinteger], size: int) -> Bytes:
    """Words of ``size`` bytes, the lowest byte first."""
    return np.ascontiguousarray(words.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :size]).ravel()


def _stream_bytes(stream: Stream, spec: Spec) -> Bytes:
    return _bytes(streams.words(stream, spec.word_width), spec.word_width // 8)


def _engine(step: Pass, ahead: Ahead, spec: Spec) -> dict[Register, int]:
    """The engine's registers."""
    conv, layout, placement = step.conv, step.layout, step.placement
    requantize = conv.requantize
    way = step.coding.way
    multiplier = requantize.residual_multiplier or 0
    groups = max(1, conv.groups)
    values = {
        Register.POSITIONS: placement.positions if spec.feed == "dense" else way.span,
        Register.CHANNEL_BITS: placement.channel_bits,
        Register.RING: (1 << layout.ring_bits) - 1,
        Register.HALO_ROWS: int(layout.halo_rows),
        Register.PHASED: int(layout.phased),
        Register.OUTPUT_CHANNELS: len(conv.weights.integers),
        Register.GROUP_OUTPUTS: len(conv.weights.integers) // groups - 1,
        # Of a single group, which takes no step, the channels may fill the banks.
        Register.GROUP_STEP: layout.local_channels // groups % spec.tile_words,
        Register.MAXIMUM: int(step.maximum),
        Register.OFFSET: (requantize.zero_point << FRACTION)
        + (1 << FRACTION - 1)
        - step.residual_zero_point * multiplier,
        Register.CLAMP_LOW: requantize.low,
        Register.CLAMP_HIGH: requantize.high,
        Register.RESIDUAL: int(step.residual is not None) | GATING[step.gating],
        Register.RESIDUAL_MULTIPLIER: multiplier,
        Register.LEAVING: _leaving(step),
        Register.GAPLESS: int(spec.feed == "dense" or step.coding.streams.gap_code is None),
        Register.HALF: ahead.half,
    }
    if spec.feed == "coded":
        books = len(step.weights.codewords)
        values |= {Register.STEP: way.step, Register.BOOKS: books - 1, Register.OFFSET_SHIFT: way.shift}
    return values


def _write_registers(
    commands: Commands, region: Region, values: Mapping[Any, int], some: Set[Any], fields: Mapping[Any, Field]
) -> None:
    """Write some of these values; those that are there already are not sent again."""
    for register, value in values.items():
        if register in some:
            field = fields[register]
            commands.write(region, register, bit_fields.pack((field,), **{field.name: value}))


def _leaving(step: Pass) -> Leaving:
    if step.partial_out:
        return Leaving.PARTIAL_SUMS
    return Leaving.ACTIVATIONS if step.conv.requantize.function is None else Leaving.FUNCTION


def _function(commands: Commands, step: Pass) -> None:
    """The function table, beside the load of the input; what is there already is not sent again."""
    table = step.conv.requantize.function
    if table is not None:
        values = np.frombuffer(table.values, np.uint8)
        words = bit_fields.pack(registers.function_entry(), value=values)
        commands.write(Region.FUNCTION, np.arange(ENTRIES), words)


def _taps(commands: Commands, step: Pass, spec: Spec) -> None:
    placement = step.placement
    table = tap_table(step.conv, step.layout, placement, spec)
    index = np.arange(spec.slots)[:, None] * spec.table_entries + np.arange(placement.entries)
    values = {name: table[..., column] for column, name in enumerate(Tap._fields)}
    if spec.feed == "coded":
        exists = placement.source >= 0
        values["channels"] = exists.reshape(spec.slots, placement.entries, -1).sum(axis=2)
    commands.write(Region.TAPS, index.ravel(), bit_fields.pack(registers.tap(spec), **values).ravel())
    if spec.feed == "coded":
        # Vectors may reach beyond the last weight, where a row must find nothing.
        more = np.arange(placement.entries, step.coding.table_entries)
        beyond = np.arange(spec.slots)[:, None] * spec.table_entries + more
        commands.write(Region.TAPS, beyond.ravel(), np.zeros(beyond.size, np.uint64))


def _owners(commands: Commands, step: Pass, spec: Spec) -> None:
    """Which slot holds each input channel."""
    width = owner_width(spec)
    if step.placement.mode == "scatter" or not width:
        return
    channels = sum(len(held) for held in step.placement.channels)
    owner = np.zeros(channels, np.uint64)
    for slot, held in enumerate(step.placement.channels):
        owner[held] = slot
    each = DATA_WIDTH // width
    padded = np.zeros(-(-channels * step.conv.groups // each) * each, np.uint64)
    padded[: channels * step.conv.groups] = np.tile(owner, step.conv.groups)
    shifts = (np.arange(each) * width).astype(np.uint64)
    words = (padded.reshape(-1, each) << shifts).sum(axis=1, dtype=np.uint64)
    commands.write(Region.OWNERS, np.arange(len(words)), words)


def _layer(step: Pass, ahead: Ahead, places: Mapping[str, Place], spec: Spec) -> dict[LayerRegister, int]:
    """Registers of what loads and stores."""
    layout, fields = step.layout, layer_fields(spec)
    source, target = places[step.source.tensor], places[step.target.tensor]
    read, written = source.layout, target.layout
    tile_rows, tile_cols = layout.tiles
    # Of the first tile: its first row of pixels in the first column that is loaded, in the image or not.
    above, before = step.source_block
    start = (
        step.source.start
        + above * read.row_step
        + before * read.block_step
        + layout.first_block * read.row_step
        + layout.first_beat * read.channels
        - layout.left * layout.stride * read.block_step
    )
    values = {
        LayerRegister.TILE_ROWS: tile_rows,
        LayerRegister.TILE_COLS: tile_cols,
        LayerRegister.TILES: tile_rows * tile_cols,
        LayerRegister.LEFT: layout.left,
        LayerRegister.RIGHT: layout.right,
        LayerRegister.SOURCE: source.at(start, spec),
        LayerRegister.SOURCE_ROW_STEP: layout.stride * read.row_step,
        LayerRegister.SOURCE_BLOCK_STEP: read.block_step,
        LayerRegister.SOURCE_BEAT_STEP: read.channels,
        LayerRegister.SOURCE_SKIP: read.row_step - read.block_step + read.channels,
        LayerRegister.CHANNELS: step.source.channels,
        LayerRegister.LOCAL_CHANNELS: layout.local_channels,
        LayerRegister.FIRST_BLOCK: layout.first_block,
        LayerRegister.FIRST_BEAT: layout.first_beat,
        LayerRegister.ROW_BEATS: layout.row_beats,
        LayerRegister.LAST_BLOCK: layout.last_block,
        LayerRegister.FIRST_BANKS: layout.first_banks,
        LayerRegister.LAST_BANKS: layout.last_banks,
        LayerRegister.BLOCK_ROWS: read.blocks[0] - above,
        LayerRegister.BLOCK_COLS: read.blocks[1] - before,
        LayerRegister.LAST_ROWS: read.height - (read.blocks[0] - 1) * spec.rows,
        LayerRegister.LAST_COLS: read.width - (read.blocks[1] - 1) * spec.cols,
        LayerRegister.STRIDED: int(layout.stride == 2),
        LayerRegister.SCATTERED: int(step.placement.mode == "scatter"),
        LayerRegister.PAD: step.pad,
        LayerRegister.DESTINATION: target.at(step.target.start + _region_start(step, written, spec), spec),
        LayerRegister.DESTINATION_BLOCK_STEP: written.block_step,
        LayerRegister.DESTINATION_BEAT_STEP: written.channels,
        **(_tile_steps(step, written) if spec.interleaves else {}),
        LayerRegister.RESIDUAL: int(step.residual is not None),
        LayerRegister.PARTIAL_IN: int(step.partial_in),
        LayerRegister.APART: int(ahead.apart),
        LayerRegister.AFTER: ahead.after,
        LayerRegister.AFTER_ROW_STEP: ahead.row_step,
        LayerRegister.AFTER_COLUMN_STEP: ahead.column_step,
        **_image_steps(step, read, fields[LayerRegister.SOURCE_IMAGE_STEP].width),
    }
    if step.residual is not None:
        added = places[step.residual.tensor]
        values |= {
            LayerRegister.RESIDUAL_SOURCE: added.at(step.residual.start, spec),
            LayerRegister.RESIDUAL_BLOCK_STEP: 0 if step.gating == "channel" else added.layout.block_step,
            LayerRegister.RESIDUAL_BEAT_STEP: added.layout.channels,
        }
    return values


def _region_start(step: Pass, written: TensorLayout, spec: Spec) -> int:
    """Beats from a tensor's first block to that of the region that is written."""
    region = step.target.region
    return 0 if region is None else region.block(0, 0, spec) * written.block_step


def _tile_steps(step: Pass, written: TensorLayout) -> dict[LayerRegister, int]:
    """How the tiles of the output follow each other: block by block, or four by four, in each row of them."""
    tile_cols, phases = step.layout.tiles[1], step.target.phases
    row_step = (written.row_step - (tile_cols - 1) * written.block_step) << bool(phases)
    return {
        LayerRegister.DESTINATION_ROW_STEP: row_step,
        LayerRegister.DESTINATION_SKIP: written.row_step - written.block_step + written.channels,
        LayerRegister.DESTINATION_PHASES: phases,
        LayerRegister.DESTINATION_CUT: int(bool(phases) and 2 * tile_cols > written.blocks[1]),
    }


def _image_steps(step: Pass, read: TensorLayout, width: int) -> dict[LayerRegister, int]:
    """How the images of a batch follow each other."""
    layout = step.layout
    if layout.images == 1:
        return {LayerRegister.IMAGE_ROWS: 0}
    rows = (layout.image_rows - 1) * layout.stride * read.row_step
    return {
        LayerRegister.IMAGE_ROWS: layout.image_rows,
        LayerRegister.SOURCE_IMAGE_STEP: _wrapped(step.source.image_step - rows, width),
    }


def _wrapped(value: int, width: int) -> int:
    return value & (1 << width) - 1


def _huffman(commands: Commands, region: Region, code: HuffmanCode, symbols: int, spec: Spec) -> None:
    limits = code.limits(spec.code_length)
    offsets = code.offsets(spec.code_length, registers.rank_width(symbols))
    words = bit_fields.pack(registers.huffman_length(spec, symbols), limit=limits, offset=offsets)
    commands.write(region, np.arange(spec.code_length), words)


def _gap_code(commands: Commands, step: Pass, code: HuffmanCode, spec: Spec) -> None:
    if len(code.lengths) != spec.gap_symbols:
        raise ShiftbookError(
            f"layer {step.node}: coded with {len(code.lengths)} gap symbols and the spec has "
            f"{spec.gap_symbols}: code it again"
        )
    _huffman(commands, Region.GAP_CODE, code, spec.gap_symbols, spec)
    ranks = np.arange(len(code.sorted_symbols))
    commands.write(
        Region.GAP_SYMBOLS, ranks, bit_fields.pack(registers.gap_symbol(spec), gap=code.sorted_symbols)
    )


def _codebooks(commands: Commands, step: Pass, code: HuffmanCode, codebook: Codebook, spec: Spec) -> None:
    """The rows of each codeword one after another; each code symbol points to the first of its own."""
    codewords = step.weights.codewords
    said = [_rows(word, step, spec) for word in codewords.reshape(-1, codewords.shape[2])]
    words = iter(row_words(list(chain.from_iterable(said)), spec).tolist())
    entries = [tuple(islice(words, len(each))) for each in said]
    first, written = codebook.place(entries, step.node)
    _huffman(commands, Region.CODE_CODE, code, spec.code_symbols, spec)
    books = np.arange(len(codewords))[:, None]
    entry = books * codewords.shape[1] + code.sorted_symbols  # [M, ranks]
    counts = np.array([len(rows) for rows in entries])
    symbols = bit_fields.pack(
        registers.code_symbol(spec), more_rows=counts[entry] - 1, first_row=np.array(first)[entry]
    )
    index = books << registers.rank_width(spec.code_symbols) | np.arange(entry.shape[1])
    commands.write(Region.CODE_SYMBOLS, index.ravel(), symbols.ravel())
    for address, rows in written:
        commands.write(Region.ROWS, address + np.arange(len(rows)), np.array(rows))


def _rows(word: NDArray[np.int16], step: Pass, spec: Spec) -> tuple[tuple[int, Row], ...]:
    """Rows of a codeword; for a maximum, one that takes the pixel away and one that adds it."""
    if not step.maximum:
        return codeword_rows(word, spec)
    if spec.lane == "multiply":
        return ((0, -1), (0, 1))
    unit = next(number for number, (low, _) in enumerate(spec.terms) if low == 0)
    rows = []
    for sign in (-1, 1):
        terms: list[Term | None] = [None] * len(spec.terms)
        terms[unit] = Term(sign, 0)
        rows.append((0, tuple(terms)))
    return tuple(rows)
