"""How the requantizers' beats lie in the beats of the bus."""

from __future__ import annotations

from amaranth import Cat, Const, Value

from shiftbook.golden.spec import ACTIVATION_WIDTH, Spec


class Pieces:
    """A beat of the bus is ``count`` pieces, each what all requantizers yield or take in one cycle.

    A piece is some whole rows of lanes, each padded to the pitch, or a part of a row.

    Parameters
    ----------
    spec
        Grid, requantizers, bus.

    Attributes
    ----------
    count
        Pieces in a beat, a power of two.
    width
        Bits of a piece.
    index_bits
        Bits of the number of a beat in its block.
    """

    def __init__(self, spec: Spec) -> None:
        self._row = min(spec.cols, spec.requantizers)  # lanes that lie together
        self._pitch = spec.pitch if spec.requantizers >= spec.cols else spec.requantizers
        self._rows = spec.requantizers // self._row
        self.width = ACTIVATION_WIDTH * self._pitch * self._rows
        self.count = 8 * spec.bus_bytes // self.width
        self.index_bits = (spec.block_beats - 1).bit_length()
        self._piece_bits = self.count.bit_length() - 1

    def beat_of(self, number: Value) -> Value:
        """Beat of the block that holds piece ``number`` of a channel."""
        return number[self._piece_bits :][: self.index_bits]

    def piece_of(self, number: Value) -> Value:
        """Place of piece ``number`` in that beat."""
        return number[: self._piece_bits] if self._piece_bits else Const(0)

    def padded(self, lanes: Value) -> Value:
        """A piece from the lanes' bytes."""
        row, gap = ACTIVATION_WIDTH * self._row, ACTIVATION_WIDTH * (self._pitch - self._row)
        return Cat(Cat(lanes[i * row : (i + 1) * row], Const(0, gap)) for i in range(self._rows))

    def lanes(self, piece: Value) -> Value:
        """The lanes' bytes from a piece."""
        row, pitch = ACTIVATION_WIDTH * self._row, ACTIVATION_WIDTH * self._pitch
        return Cat(piece[i * pitch : i * pitch + row] for i in range(self._rows))
