"""The checksum of programs and weight streams: CRC-32C, as iSCSI, ext4 and NVMe use it."""

from __future__ import annotations

import google_crc32c
import numpy as np
from numpy.typing import NDArray

POLYNOMIAL = 0x82F63B78
"""Castagnoli's, without x^32 and with the highest power in bit 0: the lowest bit of a byte comes first."""


def checksum(words: NDArray[np.uint32]) -> int:
    """CRC-32C of the bytes of words, the least significant byte of each first.

    It sees every flipped bit, any three of them in up to 2^31 bits, any five in up to 655 bytes, and every
    burst of up to 32 bits; of all other damage it misses one in 2^32.

    Parameters
    ----------
    words
        uint32 [words].
    """
    return int(google_crc32c.value(np.asarray(words, "<u4").tobytes()))
