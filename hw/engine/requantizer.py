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
from shiftbook.hw.engine.delay import delayed

LOW_BITS = 8
"""Of the product: they are added up a stage before the others."""


class Requantizer(wiring.Component):
    """``clamp(floor((accumulator + bias + partial) * multiplier / 2^(s - F)) + residual *
    residual_multiplier + offset >> F)``.

    F is `golden.spec.FRACTION`, s the right shift, and the clamp is to ``low``..``high``. With half of
    ``1 << F`` in ``offset`` halves round up: what the first floor loses could not change the result of
    the second.

    With ``partial_out`` it yields a byte of ``(accumulator + bias + partial) * multiplier`` instead, or
    ``residual``: with a factor of 1, what another layer of the engine goes on with.

    Five stages, each about as long as the addition of 24 bits: the sum; its rows times the multiplier, added
    but for their carries; the product; the shift; residual, offset and clamp.

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
        Unsigned factor; ``MULTIPLIES`` cycles after the accumulator.
    shift : In(shift_width)
        Right shift, less `golden.spec.LEAST_SHIFT`; ``SHIFTS`` cycles after the accumulator.
    residual : In(8)
        What is added; 0 where the layer adds nothing. With the multiplier.
    residual_multiplier : In(10)
        Its factor; a constant of the layer.
    offset : In(20)
        Signed: zero point of the output and one half, less the residual's zero point; a constant of the
        layer.
    partial_out : In(1)
        Yield a byte as it is; a constant of the layer.
    byte : In(range(4))
        Which: 0 to 2 of the sum, or 3, the residual; with the shift.
    low : In(8)
        Smallest output; a constant of the layer.
    high : In(8)
        Largest output, not below ``low``; a constant of the layer.
    result : Out(8)
        The activation, ``LATENCY`` cycles after ``accumulator``.

    Latency
    -------
    ``LATENCY`` cycles.

    Numeric range
    -------------
    ``accumulator + bias + partial`` is taken modulo ``2**accumulator_width`` and must fit as a signed
    number, but where bytes of it are yielded.

    Source
    ------
    `golden.model.weights.Requantize`.
    """

    MULTIPLIES = 1
    SHIFTS = 3
    LATENCY = 4

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
        product = self._multiply(m)
        m.d.comb += self.result.eq(self._finish(m, *self._shift(m, product)))
        return m

    def _multiply(self, m: Module) -> Signal:
        """The first three stages: sum, rows, product."""
        total = Signal(signed(self.spec.accumulator_width), reset_less=True)
        m.d.sync += total.eq(self.accumulator + self.bias + self.partial)
        sums, carries = open_product(m, total, self.multiplier)
        low = Signal(LOW_BITS + 1, reset_less=True)
        rows = [Signal(len(sums) - LOW_BITS, name=name, reset_less=True) for name in ("sums", "carries")]
        m.d.sync += [
            low.eq(sums[:LOW_BITS] + carries[:LOW_BITS]),
            rows[0].eq(sums[LOW_BITS:]),
            rows[1].eq(carries[LOW_BITS:]),
        ]
        product = Signal(signed(len(sums)), reset_less=True)
        # The carry and a one, a place below: an adder with a carry that comes in.
        high = Cat(Const(1, 1), rows[0]) + Cat(low[LOW_BITS], rows[1])
        m.d.sync += product.eq(Cat(low[:LOW_BITS], high[1:]))
        return product

    def _shift(self, m: Module, product: Signal) -> tuple[Signal, Signal]:
        """The fourth stage: the product shifted, or one of its bytes; and the residual's product."""
        residual = delayed(m, self.residual, self.SHIFTS - self.MULTIPLIES, "residual")
        # What saturates is beyond the clamps, whatever residual and offset are added: the offset is one that
        # zero points and a residual multiplier can give, -255 * 1023 .. 255 * 256 + 128.
        scaled = Cat(Const(0, FRACTION - LEAST_SHIFT), product).as_signed()
        moved = saturating_shift(scaled, self.shift, OFFSET_WIDTH)
        byte = Cat(product[:PARTIAL_WIDTH], residual).word_select(self.byte, ACTIVATION_WIDTH)
        low = Mux(self.partial_out, byte, moved[:ACTIVATION_WIDTH])
        shifted = Signal(signed(OFFSET_WIDTH), reset_less=True)
        added = Signal(ACTIVATION_WIDTH + RESIDUAL_WIDTH, reset_less=True)
        m.d.sync += [
            shifted.eq(Cat(low, moved[ACTIVATION_WIDTH:])),
            added.eq(residual * self.residual_multiplier),
        ]
        return shifted, added

    def _finish(self, m: Module, shifted: Signal, added: Signal) -> Value:
        """The fifth stage: the sum clamped, or the byte."""
        moved = Signal(signed(OFFSET_WIDTH + 2 - FRACTION))
        m.d.comb += moved.eq((shifted + added + self.offset) >> FRACTION)
        clamped = Mux(moved < self.low, self.low, Mux(moved > self.high, self.high, moved[:ACTIVATION_WIDTH]))
        return Mux(self.partial_out, shifted[:ACTIVATION_WIDTH], clamped)


def open_product(m: Module, total: Value, factor: Value) -> tuple[Value, Value]:
    """Two numbers of ``len(total) + len(factor)`` bits whose sum, modulo as many, is ``total * factor``.

    ``total`` is signed, ``factor`` is not. The sign bit of each row counts negative: its complement is added,
    and the constant that this is too much is a row of its own.
    """
    width, places = len(total), len(factor)
    magnitude, sign = total[:-1], total[-1]
    rows: list[Value] = [
        Cat(Const(0, place), magnitude & bit.replicate(width - 1), ~(sign & bit))
        for place, bit in enumerate(factor)
    ]
    rows.append(Const(1 << width + places - 1 | 1 << width - 1, width + places))
    while len(rows) > 2:
        rows = [*rows[3:], *added_up(m, rows[0], rows[1], rows[2], width + places)]
    return rows[0], rows[1]


def added_up(m: Module, a: Value, b: Value, c: Value, width: int) -> tuple[Value, Value]:
    """Two numbers with the sum of three, modulo ``2**width``: no carry goes further than a bit.

    They are signals: as expressions, each of which names its operands several times, a tree of adders would
    be written out exponentially often.
    """
    added, carried = Signal(width, name="row_sum"), Signal(width, name="row_carry")
    m.d.comb += [added.eq(a ^ b ^ c), carried.eq(Cat(Const(0, 1), (a & b | a & c | b & c)))]
    return added, carried


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
