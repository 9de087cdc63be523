"""Why the accelerator gave a program up."""

from __future__ import annotations

from enum import IntEnum


class Fault(IntEnum):
    """Why a program was not carried out to its end; what the status register shows."""

    NONE = 0
    NOT_A_PROGRAM = 1  # there is no program at the address
    OTHER_SPEC = 2  # it was built for another accelerator
    UNKNOWN_ADDRESS = 3  # it writes where nothing is, or out of turn
    PROGRAM_DAMAGED = 4  # its checksum is wrong
    STREAM_DAMAGED = 5  # the checksum of a weight stream is wrong
    BAD_CODE = 6  # a slot met a word that no code has
    READ_SLVERR = 7  # the bus answered a read with SLVERR
    READ_DECERR = 8  # the bus answered a read with DECERR
    WRITE_SLVERR = 9  # the bus answered a write with SLVERR
    WRITE_DECERR = 10  # the bus answered a write with DECERR
    STALLED = 11  # nothing moved, or a step did not end, for as many cycles as the watchdog allows
    ABORTED = 12  # the host said so
    BUS_PARITY = 13  # a byte that was read has another parity than it was sent with
    PROGRAM_LENGTH = 14  # it has no end within the length that its header says
    EMPTY_LAYER = 15  # a layer has no channels or no tiles
    STREAM_LENGTH = 16  # a weight stream is longer than what its layer takes
    COMMAND_ORDER = 17  # a layer is run before its input is loaded, or loaded and not run
