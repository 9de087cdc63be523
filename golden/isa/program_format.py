"""A program: its header, its words, its commands."""

from __future__ import annotations

import zlib
from enum import IntEnum

from shiftbook.golden.isa.host_map import VERSION
from shiftbook.golden.isa.registers import ADDRESS_WIDTH
from shiftbook.golden.spec import Spec

MAGIC = 0x6B624853
"""First word of a program: "SHbk"."""

WORD_WIDTH = 32
"""Bits of a word of the program."""


def header_words(spec: Spec) -> int:
    """Words at the beginning of an image: magic, fingerprint, beats of the program, where it begins; zeros;
    and at last the checksum of all of these.

    They fill whole beats. The program's beginning is counted in beats from the header.
    """
    return max(8, 8 * spec.bus_bytes // WORD_WIDTH)


COUNT_WIDTH = WORD_WIDTH - ADDRESS_WIDTH
"""Bits, above the address, of the number of words that follow, minus 1."""


class Command(IntEnum):
    """Index within ``Region.COMMANDS``. The word is the checksum of all words since the last command.

    The first four follow each other, for one layer after another, while the layer before runs. Each is over
    when what comes next in the program can be written:

    =========  ==========================================  ============================  ===================
    command    begins                                      is over when                  then may be written
    =========  ==========================================  ============================  ===================
    `LOAD`     to load the layer's input, as far as it is  the layer before has got all  the streams
               in memory and has room in the banks         of its streams
    `FETCH`    to fetch its streams                        the layer before was run      the engine's tables
    `SETTLE`                                               its outputs were sent         all other registers
    `RUN`      to run the layer                            all of its input is loaded    those of the next
                                                                                         layer's input
    =========  ==========================================  ============================  ===================
    """

    LOAD = 0
    FETCH = 1
    SETTLE = 2
    RUN = 3
    END = 4  # the program is over


def fingerprint(spec: Spec) -> int:
    """32 bits that differ between accelerators that need other programs, so between versions of the format;
    parity of the bus changes none, nor does a tensor buffer that is not there.
    """
    same = {"bus_parity"} if spec.tensor_kib else {"bus_parity", "tensor_kib"}
    fields = {name: value for name, value in spec.as_json().items() if name not in same}
    fields["version"] = VERSION
    return zlib.crc32(repr(sorted(fields.items())).encode())
