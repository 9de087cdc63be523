"""From the chain of lanes through the requantizers."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa import registers
from shiftbook.golden.spec import ACTIVATION_WIDTH
from shiftbook.hw.engine.delay import delayed
from shiftbook.hw.engine.layouts import struct
from shiftbook.hw.engine.requantizer import Requantizer
from shiftbook.synth.dense.layer import layer
from shiftbook.synth.dense.shape import SETS, Dense
from shiftbook.synth.dense.words import Words


def parameters(dense: Dense) -> data.ArrayLayout:
    """{bias, multiplier, shift} of each output channel of a beat; the bias with what negative digits owe."""
    return data.ArrayLayout(struct(registers.channel_parameters(dense.spec)), dense.beat_channels)


class Drain(wiring.Component):
    """Requantizes the outputs of a step, channel after channel.

    Parameters
    ----------
    dense
        Shape and widths.

    Members
    -------
    clear : In(1)
        Forget everything.
    begin : In(1)
        Strobe: the heads of a step come from the cycle after the next one on.
    set : In(range(SETS))
        Whose parameters it takes; while ``begin``.
    layer : In(StructLayout)
        See `synth.dense.layer.layer`.
    heads : In(ArrayLayout)
        See `synth.dense.array.LaneArray`.
    write : In(1)
        Strobe: write the parameters of the channels of a beat.
    write_address : In(ceil(log2(parameter_words)))
        The set, and which of its channels.
    write_data : In(ArrayLayout)
        See `parameters`.
    take_residual : Out(1)
        In the next cycle ``residual`` must be what the next beat takes.
    residual : In(ArrayLayout)
        What is added, one for each requantizer; any where the layer adds none.
    valid : Out(1)
        ``beat`` is one.
    beat : Out(8 * requantizers)
        Requantized outputs.
    idle : Out(1)
        Nothing drains.

    Latency
    -------
    Beat j is there ``LATENCY + j`` cycles after ``begin``.
    """

    LATENCY = 2 + Requantizer.LATENCY

    def __init__(self, dense: Dense) -> None:
        self.dense = dense
        super().__init__(
            {
                "clear": In(1),
                "begin": In(1),
                "set": In(range(SETS)),
                "layer": In(layer(dense)),
                "heads": In(data.ArrayLayout(dense.accumulator_width, dense.requantizers)),
                "write": In(1),
                "write_address": In((dense.parameter_words - 1).bit_length()),
                "write_data": In(parameters(dense)),
                "take_residual": Out(1),
                "residual": In(data.ArrayLayout(ACTIVATION_WIDTH, dense.requantizers)),
                "valid": Out(1),
                "beat": Out(ACTIVATION_WIDTH * dense.requantizers),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        address = self._beats(m)
        layout = parameters(self.dense)
        m.submodules.parameters = memory = Words(layout.size, self.dense.parameter_words)
        m.d.comb += [
            memory.write.eq(self.write),
            memory.write_address.eq(self.write_address),
            memory.data.eq(self.write_data),
            memory.address.eq(address),
        ]
        of_channel = min(self.dense.pixels, self.dense.requantizers)
        results = []
        for number, word in enumerate(data.View(layout, memory.word)):
            multiplier = delayed(m, word.multiplier, Requantizer.MULTIPLIES, f"multiplier_{number}")
            shift = delayed(m, word.shift, Requantizer.SHIFTS, f"shift_{number}")
            first = number * of_channel
            results += [
                self._requantized(m, first + q, word.bias, multiplier, shift) for q in range(of_channel)
            ]
        m.d.comb += self.beat.eq(Cat(results))
        return m

    def _beats(self, m: Module) -> Value:
        """Count beats; whose parameters the next one takes."""
        steps = self.dense.channel_beats
        running = Signal()
        left = Signal(len(self.layer.beats), reset_less=True)
        place = Signal(range(steps))  # of the beat in its channels
        address = Signal(range(self.dense.parameter_words), reset_less=True)
        last = Signal()
        following = Signal.like(address)
        begin, chosen = Signal(), Signal.like(self.set, reset_less=True)
        m.d.sync += [begin.eq(self.begin & ~self.clear), chosen.eq(self.set)]
        stages = Signal(Requantizer.LATENCY)  # of the requantizers that have a beat
        m.d.comb += [
            last.eq(left == 0),
            following.eq(
                Mux(
                    begin,
                    chosen * (self.dense.parameter_words // SETS),
                    address + (running & (place == steps - 1)),
                )
            ),
            self.take_residual.eq(begin | (running & ~last)),
            self.valid.eq(stages[-1]),
            self.idle.eq(~(running | self.begin | begin | stages.any())),
        ]
        m.d.sync += [
            stages.eq(Cat(running, stages) & ~self.clear.replicate(len(stages))),
            running.eq(~self.clear & (begin | (running & ~last))),
            address.eq(following),
            place.eq(Mux(begin | (place == steps - 1), 0, place + 1)),
            left.eq(Mux(begin, self.layer.beats, left - 1)),
        ]
        return following

    def _requantized(self, m: Module, number: int, bias: Value, multiplier: Value, shift: Value) -> Value:
        m.submodules[f"requantizer_{number}"] = requantizer = Requantizer(self.dense.spec)
        residual = self.residual[number] & self.layer.residual.replicate(ACTIVATION_WIDTH)
        m.d.comb += [
            requantizer.accumulator.eq(self.heads[number]),
            requantizer.bias.eq(bias),
            requantizer.multiplier.eq(multiplier),
            requantizer.shift.eq(shift),
            requantizer.residual.eq(delayed(m, residual, Requantizer.MULTIPLIES, f"residual_{number}")),
            requantizer.residual_multiplier.eq(self.layer.residual_multiplier),
            requantizer.offset.eq(self.layer.offset),
            requantizer.low.eq(self.layer.low),
            requantizer.high.eq(self.layer.high),
        ]
        return requantizer.result
