"""Widths of addresses, lengths and counts that programs and hardware share."""

from __future__ import annotations

from shiftbook.golden.spec import Spec

MEMORY_ADDRESS_WIDTH = 32
"""Bits of a byte address on the memory bus."""

LENGTH_WIDTH = 24
"""Bits of a number of beats."""

TILE_WIDTH = 16
"""Bits of a number of tiles, blocks or passes."""

BURST_WIDTH = 16
"""Bits of a number of bursts that a layer writes. A count stops at the largest but one."""


def beat_address_width(spec: Spec) -> int:
    """Bits of an address that counts beats."""
    return MEMORY_ADDRESS_WIDTH - (spec.bus_bytes - 1).bit_length()


def place_width(spec: Spec) -> int:
    """Bits of a tensor's place: an address in beats and, with a tensor buffer, above it whether it is there.

    In the buffer the address is that of a word; what exceeds its last one is left out.
    """
    return beat_address_width(spec) + bool(spec.tensor_kib)


def stream_count(spec: Spec) -> int:
    """Streams of a layer: channel parameters, gaps of all slots (coded feed), codes of all slots."""
    return 1 + spec.slots * (2 if spec.feed == "coded" else 1)
