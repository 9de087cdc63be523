"""From an accumulator to an 8-bit activation."""

from __future__ import annotations

from amaranth import Cat, Const, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa.registers import OFFSET_WIDTH
from shiftbook.golden.spec import (
    ACTIVATION_WIDTH,
    FRACTION,
    LEAST_SHIFT,
    PARTIAL_BYTES,
    PARTIAL_WIDTH,
    RESIDUAL_WIDTH,
    Spec,
)


class Requantizer(wiring.Component):
    """``clamp(floor((accumulator + bias + partial) * multiplier / 2^(s - F)) + residual *
    residual_multiplier + offset >> F)``.

    F is `golden.spec.FRACTION`, s the right shift, and the clamp is to ``low``..``high``. With half of
    ``1 << F`` in ``offset`` halves round up: what the first floor loses could not change the result of
    the second.

    With ``partial_out`` it yields a byte of ``(accumulator + bias + partial) * multiplier`` instead, or of
    ``residual * residual_multiplier``: with factors of 1, what another layer of the engine goes on with.

    Parameters
    ----------
    spec
        Widths.

    Members
    -------
    accumulator : In(accumulator_width)
        A finished sum.
    bias : In(accumulator_width)
        Bias, and the correction of the lanes.
    partial : In(24)
        What other layers have added up; 0 where there are none. Bits that the accumulator does not have are
        ignored.
    multiplier : In(multiplier_width)
        Unsigned factor.
    shift : In(shift_width)
        Right shift, less `golden.spec.LEAST_SHIFT`; one cycle after the others.
    residual : In(8)
        What is added; 0 where the layer adds nothing.
    residual_multiplier : In(10)
        Its factor; a constant of the layer.
    offset : In(20)
        Signed: zero point of the output and one half, less the residual's zero point; a constant of the
        layer.
    partial_out : In(1)
        Yield a byte as it is; a constant of the layer.
    byte : In(range(4))
        Which: 0 to 2 of the sum, or 3, that of the residual; one cycle after the accumulator.
    low : In(8)
        Smallest output; a constant of the layer.
    high : In(8)
        Largest output, not below ``low``; a constant of the layer.
    result : Out(8)
        The activation, one cycle after ``accumulator``.

    Latency
    -------
    One cycle: the products are registered.

    Numeric range
    -------------
    ``accumulator + bias + partial`` is taken modulo ``2**accumulator_width`` and must fit as a signed
    number, but where bytes of it are yielded.

    Source
    ------
    `golden.model.weights.Requantize`.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "accumulator": In(spec.accumulator_width),
                "bias": In(spec.accumulator_width),
                "partial": In(PARTIAL_WIDTH),
                "multiplier": In(spec.multiplier_width),
                "shift": In(spec.shift_width),
                "residual": In(ACTIVATION_WIDTH),
                "residual_multiplier": In(RESIDUAL_WIDTH),
                "offset": In(signed(OFFSET_WIDTH)),
                "partial_out": In(1),
                "byte": In(range(PARTIAL_BYTES)),
                "low": In(ACTIVATION_WIDTH),
                "high": In(ACTIVATION_WIDTH),
                "result": Out(ACTIVATION_WIDTH),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        spec = self.spec
        total = Signal(signed(spec.accumulator_width))
        product = Signal(signed(spec.accumulator_width + spec.multiplier_width), reset_less=True)
        added = Signal(ACTIVATION_WIDTH + RESIDUAL_WIDTH, reset_less=True)
        m.d.comb += total.eq(self.accumulator + self.bias + self.partial)
        m.d.sync += [product.eq(total * self.multiplier), added.eq(self.residual * self.residual_multiplier)]

        # What saturates is beyond the clamps, whatever residual and offset are added: the offset is one that
        # zero points and a residual multiplier can give, -255 * 1023 .. 255 * 256 + 128.
        scaled = Cat(Const(0, FRACTION - LEAST_SHIFT), product).as_signed()
        shifted = saturating_shift(scaled, self.shift, OFFSET_WIDTH)
        moved = Signal(signed(OFFSET_WIDTH + 2 - FRACTION))
        m.d.comb += moved.eq((shifted + added + self.offset) >> FRACTION)
        activation = moved[:ACTIVATION_WIDTH]
        clamped = Mux(moved < self.low, self.low, Mux(moved > self.high, self.high, activation))
        in_bytes = Cat(product[:PARTIAL_WIDTH], added[:ACTIVATION_WIDTH])
        byte = in_bytes.word_select(self.byte, ACTIVATION_WIDTH)
        m.d.comb += self.result.eq(Mux(self.partial_out, byte, clamped))
        return m


def saturating_shift(value: Value, shift: Value, width: int) -> Value:
    """``value >> shift`` as ``width`` signed bits, the nearest bound where it does not fit.

    Each level, the longest shift first, keeps no more bits than the shorter ones can still bring down.
    """
    sign = value[-1]
    overflow: Value = Const(0, 1)
    for level in reversed(range(len(shift))):
        step = 1 << level
        kept = min(width + step - 1, len(value))
        shifted = Cat(value[step:], sign.replicate(step))
        for chosen, bits in ((shift[level], shifted), (~shift[level], value)):
            lost = bits[kept - 1 : -1] ^ sign.replicate(len(bits) - kept)
            overflow |= chosen & lost.any()
        value = Mux(shift[level], shifted, value)[:kept].as_signed()
    bound = Cat((~sign).replicate(width - 1), sign).as_signed()
    return Mux(overflow, bound, value)
