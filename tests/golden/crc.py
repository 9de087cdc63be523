"""CRC-32C bit by bit, as its polynomial says."""

from __future__ import annotations

CASTAGNOLI = (28, 27, 26, 25, 23, 22, 20, 19, 18, 14, 13, 11, 10, 9, 8, 6, 0)
"""Powers of x in its polynomial, beside 32."""


def register_after(data: bytes, register: int) -> int:
    """What the register holds after some bytes: the remainder, its highest power in bit 0."""
    for byte in data:
        for place in range(8):
            carry = register & 1 ^ byte >> place & 1
            register >>= 1
            for power in CASTAGNOLI:
                register ^= carry << 31 - power
    return register


def crc32c(data: bytes) -> int:
    """The checksum of some bytes."""
    return register_after(data, 0xFFFFFFFF) ^ 0xFFFFFFFF
