"""The configuration of a dense array: one frozen dataclass from which every width is derived."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import PRESETS, Spec

MEMORY_BYTES = PRESETS["int8"].tile_bits // 8
"""What the activation banks of the engine hold; here a quarter of it holds weights, the rest activations."""

SETS = 2
"""Sets of output channels whose parameters are held: one drains while the next one's are loaded."""


@dataclass(frozen=True)
class Dense:
    """P pixels x O output channels x I input channels, int8.

    Every cycle reads I channels of P pixels and O x I weights. Pixels go to the lanes of all output channels,
    weights to those of all pixels. A lane owns one pixel of one output channel and adds I products.

    Parameters
    ----------
    pixels, outputs, inputs
        P, O, I; I is a number of slots that a `golden.spec.Spec` allows.
    requantizers
        Q; in a cycle leave Q pixels of an output channel, or all of Q / P channels.
    accumulator_width
        Bits of an accumulator.
    memory_bytes
        Of weights and activations together, a power of two.

    Raises
    ------
    ShiftbookError
        A number is no power of two, there are more requantizers than lanes, or a width is out of its range.
    """

    pixels: int
    outputs: int
    inputs: int
    requantizers: int
    accumulator_width: int = 24
    memory_bytes: int = MEMORY_BYTES

    def __post_init__(self) -> None:
        for name in ("pixels", "outputs", "inputs", "requantizers", "memory_bytes"):
            value = getattr(self, name)
            if value < 1 or value & (value - 1):
                raise ShiftbookError(f"{name} must be a power of two, not {value}")
        if self.requantizers > self.lanes:
            raise ShiftbookError(
                f"requantizers must be at most the {self.lanes} lanes, not {self.requantizers}"
            )
        _ = self.spec

    @property
    def spec(self) -> Spec:
        """What its lanes and requantizers are: those of the dense int8 engine with I slots."""
        return replace(
            PRESETS["int8"],
            slots=self.inputs,
            accumulator_width=self.accumulator_width,
            function_tables=False,
            interleaving=False,
        )

    @property
    def lanes(self) -> int:
        """Accumulators."""
        return self.pixels * self.outputs

    @property
    def macs(self) -> int:
        """Multiplications in a cycle."""
        return self.lanes * self.inputs

    @property
    def beat_channels(self) -> int:
        """Output channels of which a beat of outputs has pixels."""
        return max(1, self.requantizers // self.pixels)

    @property
    def channel_beats(self) -> int:
        """Beats in which they leave."""
        return max(1, self.pixels // self.requantizers)

    def beats(self, channels: int) -> int:
        """Beats in which so many output channels of a step leave."""
        return -(-channels // self.beat_channels) * self.channel_beats

    @property
    def parameter_words(self) -> int:
        """Words of the parameters of as many output channels as a beat has."""
        return SETS * self.outputs // self.beat_channels

    @property
    def weight_words(self) -> int:
        """Words of O x I weights."""
        return self.memory_bytes // 4 // (self.outputs * self.inputs)

    @property
    def activation_words(self) -> int:
        """Words of I channels of a pixel, of each of P banks."""
        return 3 * self.memory_bytes // 4 // (self.pixels * self.inputs)

    @property
    def address_width(self) -> int:
        """Bits of the address of a bank."""
        return (self.activation_words - 1).bit_length()
