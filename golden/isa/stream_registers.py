"""What the program says of each weight stream of a layer."""

from __future__ import annotations

from enum import IntEnum

FIELD_BITS = 2
"""Bits below the stream's number in the index of ``Region.STREAMS``."""


class StreamField(IntEnum):
    """What is written for each stream; lower bits of the index in ``Region.STREAMS``."""

    ADDRESS = 0  # in beats, from the program's first
    BEATS = 1  # of a pass; 0: there is no such stream. The highest bit: the buffer keeps the pass
    CHECKSUM = 2  # of a pass, by `golden.isa.checksum`
