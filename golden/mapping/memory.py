"""How a tensor lies in memory: blocks of pixels, one a lane, so that a tile is a few long bursts.

A tensor is cut into blocks of ``rows x cols`` pixels, aligned to its first pixel. A beat of the bus holds
``beat_rows`` rows of one channel of a block, each padded to ``pitch`` bytes. Beats are ordered
[block row][block column][beat of the block][channel]: all channels' pixels of some rows lie together. Bytes
of pixels that are not there have no meaning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import Spec

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class TensorLayout:
    """Where the pixels of a tensor are, in beats from its first one.

    Parameters
    ----------
    height, width, channels
        Of the tensor.
    spec
        Its grid and bus.
    """

    height: int
    width: int
    channels: int
    spec: Spec

    @property
    def blocks(self) -> tuple[int, int]:
        """Rows and columns of blocks."""
        return -(-self.height // self.spec.rows), -(-self.width // self.spec.cols)

    @property
    def block_step(self) -> int:
        """Beats from a block to the next one in its row."""
        return self.spec.block_beats * self.channels

    @property
    def row_step(self) -> int:
        """Beats from a row of blocks to the next."""
        return self.blocks[1] * self.block_step

    @property
    def beats(self) -> int:
        """Beats of the whole tensor."""
        return self.blocks[0] * self.row_step

    @property
    def size(self) -> int:
        """Bytes of the whole tensor."""
        return self.beats * self.spec.bus_bytes

    def pack(self, pixels: Bytes) -> Bytes:
        """uint8 [size] from uint8 [height, width, channels].

        Raises
        ------
        ShiftbookError
            The pixels have another shape.
        """
        if pixels.dtype != np.uint8 or pixels.shape != (self.height, self.width, self.channels):
            raise ShiftbookError(
                f"pixels must be uint8 {(self.height, self.width, self.channels)}, not {pixels.dtype} "
                f"{pixels.shape}"
            )
        spec, (block_rows, block_cols) = self.spec, self.blocks
        whole = np.zeros((block_rows * spec.rows, block_cols * spec.cols, self.channels), np.uint8)
        whole[: self.height, : self.width] = pixels
        blocks = whole.reshape(block_rows, spec.rows, block_cols, spec.cols, self.channels)
        padded = np.zeros(self._padded_shape(), np.uint8)
        padded[:, :, : spec.rows, : spec.cols] = blocks.transpose(0, 2, 1, 3, 4)
        by_beat = padded.reshape(*padded.shape[:2], spec.block_beats, spec.bus_bytes, self.channels)
        return np.ascontiguousarray(by_beat.swapaxes(3, 4)).ravel()

    def unpack(self, data: Bytes) -> Bytes:
        """The inverse of :meth:`pack`.

        Raises
        ------
        ShiftbookError
            There are more or fewer bytes.
        """
        if data.size != self.size:
            raise ShiftbookError(f"a tensor of this shape takes {self.size} bytes, not {data.size}")
        spec, (block_rows, block_cols) = self.spec, self.blocks
        beats = data.reshape(block_rows, block_cols, spec.block_beats, self.channels, spec.bus_bytes)
        padded = beats.swapaxes(3, 4).reshape(self._padded_shape())
        blocks = padded[:, :, : spec.rows, : spec.cols].transpose(0, 2, 1, 3, 4)
        whole = blocks.reshape(block_rows * spec.rows, block_cols * spec.cols, self.channels)
        return np.ascontiguousarray(whole[: self.height, : self.width])

    def _padded_shape(self) -> tuple[int, int, int, int, int]:
        rows = self.spec.block_beats * self.spec.beat_rows
        return (*self.blocks, rows, self.spec.pitch, self.channels)
