"""Bit packing against strings of '0' and '1'."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftbook.golden.coding import bits
from shiftbook.golden.coding.bits import Reader, Stream, Writer
from shiftbook.golden.errors import ShiftbookError

fields = st.lists(st.integers(0, 15).flatmap(lambda w: st.tuples(st.integers(0, (1 << w) - 1), st.just(w))))


def as_text(pairs) -> str:
    return "".join(format(value, f"0{width}b") for value, width in pairs if width)


def text_of(stream: Stream) -> str:
    return "".join(format(byte, "08b") for byte in stream.data)


def stream_of(text: str) -> Stream:
    padded = text + "0" * (-len(text) % 8)
    data = [int(padded[i : i + 8], 2) for i in range(0, len(padded), 8)]
    return Stream(np.array(data, dtype=np.uint8), len(text))


bit_texts = st.text("01", max_size=100)


@given(fields)
def test_pack_writes_most_significant_bits_first(pairs):
    stream = bits.pack([value for value, _ in pairs], [width for _, width in pairs])
    text = as_text(pairs)
    assert stream.bits == len(text)
    assert text_of(stream) == text + "0" * (-len(text) % 8)


@given(bit_texts, st.integers(0, 20), st.integers(0, 12))
def test_unpack(text, start, width):
    count = (len(text) - start) // width if width and len(text) > start else 0
    got = bits.unpack(stream_of(text).data, min(start, len(text)), count, width)
    assert got.tolist() == [int(text[start + i * width :][:width], 2) for i in range(count)]


def test_unpack_refuses_what_is_not_there():
    with pytest.raises(ShiftbookError, match="end at bit 17, but only 16 bits are stored"):
        bits.unpack(np.zeros(2, np.uint8), 1, 2, 8)


@given(st.lists(st.integers(-(2**31), 2**32), min_size=1))
def test_offset_array_round_trip(values):
    writer = Writer()
    writer.put([1, 0, 1], 1)
    writer.put_offsets(values)
    data = writer.data()
    reader = Reader(data)
    assert reader.take(3, 1).tolist() == [1, 0, 1]
    assert reader.take_offsets(len(values)).tolist() == values
    base, width = min(values), (max(values) - min(values)).bit_length()
    base_width = 1 + max(base.bit_length(), (~base).bit_length())
    assert reader.position == 3 + 6 + base_width + 6 + width * len(values)
    assert len(data) == bits.bytes_for(reader.position)
    reader.finish()


def test_offset_array_to_the_bit():
    writer = Writer()
    writer.put_offsets([-3, 0, 1])
    # width of the base, base -3 in three bits, width of the fields, 0, 3, 4
    assert text_of(Stream(writer.data(), 0)) == "000011" + "101" + "000011" + "000" + "011" + "100"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("000000", "an offset array's base has 0 bits, not 1..40"),
        ("101001" + "0" * 60, "an offset array's base has 41 bits, not 1..40"),
        ("0000010" + "101001" + "0" * 60, "an offset array's fields have 41 bits, not 0..40"),
        ("0000010" + "000001" + "0" * 3 + "0", "packed fields end at bit 17, but only 16 bits are stored"),
    ],
)
def test_reader_refuses_a_bad_offset_array(text, message):
    with pytest.raises(ShiftbookError) as caught:
        Reader(stream_of(text[:16] if "17" in message else text).data).take_offsets(4)
    assert str(caught.value) == message


@pytest.mark.parametrize(("data", "left"), [([0b1010_0001], 4), ([0b1010_0000, 0], 12)])
def test_reader_refuses_what_follows(data, left):
    reader = Reader(np.array(data, np.uint8))
    reader.take(4, 1)
    with pytest.raises(ShiftbookError, match=f"^{left} bits follow the packed fields"):
        reader.finish()


@given(st.integers(1, 40), st.data())
def test_signed_inverts_unsigned(width, data):
    values = data.draw(st.lists(st.integers(-(1 << (width - 1)), (1 << (width - 1)) - 1), min_size=1))
    packed = bits.unsigned(values, width)
    assert packed.min() >= 0
    assert packed.max() < 1 << width
    assert bits.signed(packed, width).tolist() == values


@given(bit_texts, st.integers(1, bits.MAX_WINDOW))
def test_windows(text, width):
    got = bits.windows(stream_of(text), width)
    padded = text + "0" * width
    assert got.tolist() == [int(padded[i : i + width], 2) for i in range(len(text))]


def test_window_too_wide():
    with pytest.raises(ValueError, match=r"width must be in 1\.\.16, not 17"):
        bits.windows(stream_of("1"), 17)


@given(bit_texts, st.integers(16, 32), st.integers(0, 3))
def test_words(text, width, spare):
    count = -(-len(text) // width) + spare
    padded = text + "0" * (count * width - len(text))
    expected = [int(padded[i * width : (i + 1) * width], 2) for i in range(count)]
    assert bits.words(stream_of(text), width, count).tolist() == expected
