"""Odd parity of the bytes of a beat: what AXI5 calls Odd_Parity_Byte_Data (ARM IHI 0022, data protection)."""

from __future__ import annotations

from amaranth import Cat, Value
from amaranth.hdl import ValueLike


def odd_parity(beat: ValueLike) -> Value:
    """A bit for each byte of a beat, bit n that of byte n: both together have an odd number of ones."""
    bits = Value.cast(beat)
    return Cat(~bits.word_select(byte, 8).xor() for byte in range(len(bits) // 8))
