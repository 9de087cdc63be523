"""Weight streams against a decoder that reads symbol by symbol, written from docs/checkpoint-format.md."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftbook.golden.coding import items, streams
from shiftbook.golden.coding.bits import Stream
from shiftbook.golden.coding.huffman import HuffmanCode, entropy_bits
from shiftbook.golden.coding.placement import default_slots
from shiftbook.golden.coding.terms import rows_of
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.weights import Weights
from shiftbook.golden.spec import DEFAULT, PRESETS, Spec


class SlowDecoder:
    """Reads one slot's bit string one code word at a time."""

    def __init__(self, stream: Stream, lengths: list[int]) -> None:
        self.text = "".join(format(byte, "08b") for byte in stream.data)[: stream.bits]
        self.words = {}
        word, last = 0, 0
        for length, symbol in sorted((n, s) for s, n in enumerate(lengths) if n):
            word <<= length - last
            self.words[format(word, f"0{length}b")] = symbol
            word, last = word + 1, length

    def next(self) -> int:
        for length in range(1, 16):
            if self.text[:length] in self.words:
                symbol = self.words[self.text[:length]]
                self.text = self.text[length:]
                return symbol
        raise AssertionError("no code word")


def slow_decode(coded, shape, codebook, slots, table_entries, escape, owner=None):
    """The integers of a layer: loops over slots, output channels and positions, nothing clever."""
    outputs, kh, kw, channels = shape
    integers = np.zeros(shape, dtype=np.int16)
    scattered = -(-kh * kw * channels // slots)
    by_channel = (channels >= slots and channels % slots == 0) or scattered > table_entries
    for w in range(slots):
        flat = list(product(range(kh), range(kw), range(channels)))
        if by_channel:
            own = [c for c in range(channels) if (c % slots if owner is None else owner[c]) == w]
            span = 1
            while span < -(-channels // slots):
                span *= 2
            places = [
                (ky, kx, own[i]) if i < len(own) else None
                for ky, kx in product(range(kh), range(kw))
                for i in range(span)
            ]
        else:
            places = [flat[f] if f < len(flat) else None for f in range(w, scattered * slots, slots)]
        positions = len(places)
        codes = SlowDecoder(coded.codes[w], coded.code_code.lengths.tolist())
        if coded.gap_code is None:
            targets = iter(range(outputs * positions))
        else:
            targets = slow_targets(
                SlowDecoder(coded.gaps[w], coded.gap_code.lengths.tolist()), outputs * positions, escape
            )
        for a in targets:
            value = codebook[codes.next()]
            place = places[a % positions]
            if place is None:
                assert value == 0
            else:
                integers[(a // positions, *place)] = value
        assert codes.text == ""
    return integers


def slow_targets(gaps: SlowDecoder, end: int, escape: int, step: int = 1):
    position = 0
    while position < end:
        symbol = gaps.next()
        if symbol == escape:
            position += escape
        else:
            yield position + symbol
            position += symbol + step
    assert gaps.text == ""


codebooks = st.lists(st.integers(-128, 127), min_size=1, max_size=40, unique=True)


@st.composite
def layers(draw):
    """Weights, slots and a spec: any shape, density and kind of coding."""
    shape = draw(
        st.tuples(
            st.integers(1, 9),
            st.integers(1, 3),
            st.integers(1, 3),
            st.sampled_from([1, 2, 3, 4, 6, 8, 16, 33]),
        )
    )
    slots = draw(st.integers(1, 8))
    gapless = draw(st.booleans())
    codebook = np.array(sorted(draw(codebooks)), dtype=np.int16)
    codebook = np.union1d(codebook, np.int16(0)) if gapless else codebook[codebook != 0]
    codebook = codebook if len(codebook) else np.array([5], dtype=np.int16)
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    integers = rng.choice(codebook, size=shape)
    integers[rng.random(shape) > draw(st.sampled_from([0.0, 0.02, 0.2, 0.7, 1.0]))] = 0
    spec = Spec(gap_symbols=draw(st.sampled_from([4, 8, 64])), table_entries=draw(st.sampled_from([9, 64])))
    owner = None
    if shape[3] % slots == 0 and draw(st.booleans()):
        owner = rng.permutation(default_slots(shape[3], slots)).astype(np.uint8)
    return Weights(integers, codebook, "test", gapless, owner), slots, spec


def decode(coded, weights, slots, spec):
    placement = items.placement_of(weights, slots, spec)
    return streams.decode(coded, weights.integers.shape, weights.codebook, placement, spec)


@given(layers())
@settings(max_examples=200)
def test_decode_inverts_encode(layer):
    weights, slots, spec = layer
    coded = streams.encode(weights, slots, spec)
    decoded = decode(coded, weights, slots, spec)
    assert decoded.dtype == np.int16
    np.testing.assert_array_equal(decoded, weights.integers)


@given(layers())
def test_slow_decoder_reads_the_same_weights(layer):
    weights, slots, spec = layer
    coded = streams.encode(weights, slots, spec)
    read = slow_decode(
        coded,
        weights.integers.shape,
        weights.codebook,
        slots,
        spec.table_entries,
        spec.gap_symbols - 1,
        weights.slot_of_channel,
    )
    np.testing.assert_array_equal(read, weights.integers)


@given(layers())
def test_items_are_what_the_streams_say(layer):
    weights, slots, spec = layer
    coded = streams.encode(weights, slots, spec)
    placement = items.placement_of(weights, slots, spec)
    end = len(weights.integers) * placement.positions
    for w, item in enumerate(items.items_of(weights, placement, spec)):
        codes = SlowDecoder(coded.codes[w], coded.code_code.lengths.tolist())
        if weights.gapless:
            expected = [(a, False, codes.next()) for a in range(end)]
        else:
            gaps = SlowDecoder(coded.gaps[w], coded.gap_code.lengths.tolist())
            expected, position = [], 0
            while position < end:
                symbol = gaps.next()
                escape = symbol == spec.escape_gap
                expected.append((position + symbol, escape, 0 if escape else codes.next()))
                position += symbol + (not escape)
        got = zip(item.target.tolist(), item.is_escape.tolist(), item.code[:, 0].tolist(), strict=True)
        assert list(got) == expected


@given(layers())
def test_statistics_count_what_is_packed(layer):
    weights, slots, spec = layer
    coded = streams.encode(weights, slots, spec)
    found = streams.statistics(weights, slots, spec)
    assert found.stream_bits(spec) == (coded.gap_bits, coded.code_bits)
    bound = sum(found.entropy_bits())
    assert bound <= sum(found.stream_bits(spec)) + 1e-6 * bound


def realistic(shape, density: float, seed: int = 0) -> Weights:
    """Weights like those of a pruned, focused layer."""
    rng = np.random.default_rng(seed)
    codebook = np.array([s * (16 + d) for s in (-1, 1) for d in (-8, -4, -2, -1, 0, 1, 2, 4, 8)], np.int16)
    integers = rng.choice((-1, 1), shape) * np.clip(16 + np.round(rng.laplace(0, 3, shape)), 8, 24)
    nearest = np.abs(integers[..., None] - codebook).argmin(-1)
    integers = codebook[nearest]
    order = np.argsort(codebook)
    integers[rng.random(shape) > density] = 0
    return Weights(integers, codebook[order], "focused", False)


@pytest.mark.parametrize("density", [0.1, 0.2, 0.3])
@pytest.mark.parametrize("shape", [(64, 3, 3, 64), (16, 3, 3, 16), (128, 1, 1, 64)])
def test_streams_are_within_two_percent_of_the_entropy(shape, density):
    weights = realistic(shape, density)
    coded = streams.encode(weights, 4, DEFAULT)
    assert coded.gap_bits + coded.code_bits <= 1.02 * sum(
        streams.statistics(weights, 4, DEFAULT).entropy_bits()
    )


@pytest.mark.parametrize("gapless", [False, True])
def test_chunks_join(gapless, monkeypatch):
    """Code words that straddle chunks, chunks that hold no start, and streams shorter than a chunk."""
    weights = realistic((16, 3, 3, 16), 0.3)
    if gapless:
        weights = replace(weights, codebook=np.union1d(weights.codebook, np.int16(0)), gapless=True)
    coded = streams.encode(weights, 4, DEFAULT)
    for chunk_bits in (1, 2, 3, 5, 64, 1000):
        monkeypatch.setattr(streams, "CHUNK_BITS", chunk_bits)
        np.testing.assert_array_equal(decode(coded, weights, 4, DEFAULT), weights.integers)


@pytest.mark.parametrize("density", [0.05, 0.2, 0.5, 0.7, 0.9, 1.0])
def test_choose_gapless_takes_fewer_bits_times_rows(density):
    weights = realistic((32, 3, 3, 32), density)
    chosen = streams.choose_gapless(weights, 4, DEFAULT)
    costs = {}
    for gapless in (False, True):
        codebook = np.unique(weights.integers)
        codebook = codebook if gapless else codebook[codebook != 0]
        coded = streams.encode(replace(weights, codebook=codebook, gapless=gapless), 4, DEFAULT)
        stored = coded.gap_bits + coded.code_bits + 12 * len(codebook)
        each = {int(value): len(rows_of(int(value), DEFAULT)) for value in codebook}
        rows = sum(each[int(value)] for value in weights.integers.ravel() if value or gapless)
        costs[gapless] = stored * rows
    assert chosen.gapless == (costs[True] < costs[False])
    assert chosen.gapless == (density >= 0.9)
    np.testing.assert_array_equal(chosen.integers, weights.integers)
    np.testing.assert_array_equal(
        decode(streams.encode(chosen, 4, DEFAULT), chosen, 4, DEFAULT), weights.integers
    )


def test_choose_gapless_adds_zero_only_for_padding():
    whole = Weights(np.full((8, 1, 1, 8), 3, np.int16), np.array([3], np.int16), "shift", False)
    assert streams.choose_gapless(whole, 4, DEFAULT).codebook.tolist() == [3]
    padded = Weights(np.full((64, 3, 3, 3), 3, np.int16), np.array([3], np.int16), "shift", False)
    assert streams.choose_gapless(padded, 4, DEFAULT).codebook.tolist() == [0, 3]


def test_choose_gapless_of_a_pruned_layer():
    empty = Weights(np.zeros((8, 1, 1, 8), np.int16), np.array([9], np.int16), "shift", False)
    chosen = streams.choose_gapless(empty, 4, DEFAULT)
    coded = streams.encode(chosen, 4, DEFAULT)
    assert not decode(coded, chosen, 4, DEFAULT).any()


def test_a_stream_by_hand():
    """One slot, one channel, ten positions: gaps 2, 5 (escape 3, gap 2), then escapes to the end."""
    integers = np.array([0, 0, 7, 0, 0, 0, 0, 0, -7, 0, 0], np.int16).reshape(11, 1, 1, 1)
    weights = Weights(integers, np.array([-7, 7], np.int16), "shift", False)
    coded = streams.encode(weights, 1, Spec(gap_symbols=4))
    # symbols: 2, escape 3, 2, escape 3; lengths 1 and 1; 2 is '0', 3 is '1'
    assert coded.gap_code.lengths.tolist() == [0, 0, 1, 1]
    assert (coded.gaps[0].data.tolist(), coded.gaps[0].bits) == ([0b0101_0000], 4)
    assert (coded.codes[0].data.tolist(), coded.codes[0].bits) == ([0b1000_0000], 2)
    assert entropy_bits([2, 2]) == coded.gap_bits
    spec = Spec(gap_symbols=4)
    (item,) = items.items_of(weights, items.placement_of(weights, 1, spec), spec)
    assert item.target.tolist() == [2, 6, 8, 12]
    assert item.is_escape.tolist() == [False, True, False, True]


def test_words_have_room_for_what_the_decoder_holds():
    stream = Stream(np.array([0xAB, 0xCD, 0xE0], np.uint8), 19)
    assert streams.words(stream, 16).tolist() == [0xABCD, 0xE000, 0]
    assert streams.words(Stream(stream.data[:2], 16), 16).tolist() == [0xABCD, 0, 0]


def test_dense_words_are_raw_weights_in_stream_order():
    integers = np.arange(-9, 9, dtype=np.int16).reshape(2, 1, 3, 3)  # 9 positions: slot 1 has one fewer
    weights = Weights(integers, np.unique(integers), "int8", True)
    first, second = streams.dense_words(weights, items.placement_of(weights, 2, DEFAULT), DEFAULT)
    flat = [[int(v) & 0xFF for v in row] for row in integers.reshape(2, 9)]
    own = [flat[0][0::2] + flat[1][0::2], [*flat[0][1::2], 0, *flat[1][1::2], 0]]
    assert [first.tolist(), second.tolist()] == [
        [byte[i] << 8 | byte[i + 1] for i in range(0, 10, 2)] for byte in own
    ]


def test_dense_words_of_four_bits():
    integers = np.arange(-8, 8, dtype=np.int16).reshape(2, 1, 2, 4)
    weights = Weights(integers, np.unique(integers), "int4", True)
    spec = replace(PRESETS["int8"], weight_width=4)
    first, second = streams.dense_words(weights, items.placement_of(weights, 2, spec), spec)
    assert [first.tolist(), second.tolist()] == [[0x8ACE, 0x0246], [0x9BDF, 0x1357]]
    with pytest.raises(ShiftbookError, match=r"^a dense feed needs weights in -8\.\.7$"):
        streams.dense_words(replace(weights, integers=-integers), items.placement_of(weights, 2, spec), spec)


def test_dense_words_refuse_wide_weights():
    weights = Weights(np.full((1, 1, 1, 4), 128, np.int16), np.array([128], np.int16), "int8", True)
    placement = items.placement_of(weights, 2, DEFAULT)
    with pytest.raises(ShiftbookError, match=r"^a dense feed needs weights in -128\.\.127$"):
        streams.dense_words(weights, placement, DEFAULT)


@pytest.mark.parametrize(
    ("codebook", "gapless", "message"),
    [
        ([1, 2], False, "weight 3 is not in the codebook [1, 2]"),
        ([1, 2, 3], True, "weight 0 is not in the codebook [1, 2, 3]"),
        ([1, 3, 2], False, "a codebook must be ascending and distinct, not [1, 3, 2]"),
        ([1, 3, 3], False, "a codebook must be ascending and distinct, not [1, 3, 3]"),
        ([], False, "a codebook must have 1 to 256 entries, not 0"),
        (list(range(1, 258)), False, "a codebook must have 1 to 256 entries, not 257"),
    ],
)
def test_encode_refuses(codebook, gapless, message):
    integers = np.array([1, 0, 3], np.int16).reshape(1, 1, 1, 3)
    with pytest.raises(ShiftbookError) as caught:
        streams.encode(Weights(integers, np.array(codebook, np.int16), "x", gapless), 1, DEFAULT)
    assert str(caught.value) == message


def with_symbols(gaps, codes, gap_lengths, code_lengths):
    """Streams of one slot with any symbols."""
    gap_code, code_code = HuffmanCode.from_lengths(gap_lengths), HuffmanCode.from_lengths(code_lengths)
    pack = streams._pack_symbols
    return streams.LayerStreams(
        gap_code, code_code, (pack(np.array(gaps, int), gap_code),), (pack(np.array(codes, int), code_code),)
    )


@pytest.mark.parametrize(
    ("gaps", "codes", "message"),
    [
        ([0, 3, 3], [0], "gaps lead to position 7, but the layer has 8 positions in a slot"),
        ([0, 3, 3, 3, 3], [0], "gaps lead to position 13, but the layer has 8 positions in a slot"),
        ([0, 3, 3, 2], [0, 0], "gaps lead to position 10, but the layer has 8 positions in a slot"),
        ([0, 3, 3, 0, 0], [0, 0, 0], "gaps lead to position 9, but the layer has 8 positions in a slot"),
        ([0, 3, 3, 0], [0], "slot 0 has 1 codes for 2 positions"),
        ([0, 3, 3, 3], [0, 0], "slot 0 has 2 codes for 1 positions"),
        ([0, 1], [0, 0], "the streams cannot hold 8 positions in a slot, at most 6"),
    ],
)
def test_decode_refuses_streams_that_do_not_cover_the_layer(gaps, codes, message):
    coded = with_symbols(gaps, codes, [1, 2, 3, 3], [1, 1])
    if "cannot hold" in message:
        coded = with_symbols(gaps, codes, [1, 1, 0, 0], [1, 1])
    codebook = np.array([5, 6], np.int16)
    weights = Weights(np.zeros((8, 1, 1, 1), np.int16), codebook, "x", False)
    with pytest.raises(ShiftbookError) as caught:
        decode(coded, weights, 1, Spec(gap_symbols=4))
    assert str(caught.value) == message


def test_decode_refuses_weights_that_do_not_exist():
    weights = Weights(np.zeros((1, 1, 1, 3), np.int16), np.array([0, 5], np.int16), "x", True)
    coded = streams.encode(weights, 2, DEFAULT)
    assert coded.codes[1].bits == 2  # slot 1: one weight and one padding position
    bad = Stream(np.array([0b0100_0000], np.uint8), 2)
    code = HuffmanCode.from_lengths([1, 1])
    coded = replace(coded, code_code=code, codes=(coded.codes[0], bad))
    with pytest.raises(ShiftbookError, match=r"^slot 1 has a weight at a position that does not exist$"):
        decode(coded, weights, 2, DEFAULT)


def test_decode_refuses_bits_without_a_meaning():
    lone = HuffmanCode.from_lengths([1])
    with pytest.raises(ShiftbookError, match=r"^the stream of slot 1 holds bits that are no code word$"):
        streams.decode_symbols(
            (Stream(np.array([0], np.uint8), 3), Stream(np.array([0x20], np.uint8), 3)), lone
        )


def test_decode_refuses_a_word_that_is_cut_off():
    code = HuffmanCode.from_lengths([1, 2, 2])
    with pytest.raises(ShiftbookError, match=r"^the stream of slot 0 ends within a code word$"):
        streams.decode_symbols((Stream(np.array([0b0110_0000], np.uint8), 2),), code)


@given(
    st.binary(min_size=1, max_size=40),
    st.lists(st.integers(0, 50), min_size=1, max_size=20),
    st.integers(0, 7),
)
def test_decode_symbols_of_any_bits(data, counts, cut):
    """Either every symbol that a slow decoder reads, or an error where it finds none."""
    code = HuffmanCode.from_counts(counts, 12)
    stream = Stream(np.frombuffer(data, np.uint8), 8 * len(data) - cut)
    slow = SlowDecoder(stream, code.lengths.tolist())
    expected = []
    try:
        while slow.text:
            expected.append(slow.next())
    except AssertionError:
        with pytest.raises(ShiftbookError):
            streams.decode_symbols((stream,), code)
    else:
        (got,) = streams.decode_symbols((stream,), code)
        assert got.tolist() == expected
