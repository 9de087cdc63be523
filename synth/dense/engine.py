"""The array as a whole: everything between the memories and the outputs of a tile."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.spec import ACTIVATION_WIDTH, DATA_WIDTH
from shiftbook.synth.dense.array import LaneArray
from shiftbook.synth.dense.control import Control, counters
from shiftbook.synth.dense.drain import Drain, parameters
from shiftbook.synth.dense.layer import STEP, SWEEP, Registers, fields
from shiftbook.synth.dense.shape import Dense
from shiftbook.synth.dense.walk import Walk
from shiftbook.synth.dense.words import Words


class DenseEngine(wiring.Component):
    """One tile after another, from weights and activations in memories to 8-bit outputs.

    What loads the memories is around it, as it is around `hw.engine.engine.Engine`: it places the parts of
    the map, their halo and the padding, and says what is there.

    Parameters
    ----------
    dense
        Shape and widths.

    Members
    -------
    write_register : In(1)
        See `synth.dense.layer.Registers`.
    register_index : In(5)
        See `synth.dense.layer.Registers`.
    register_data : In(32)
        See `synth.dense.layer.Registers`.
    clear : In(1)
        Forget everything but registers, memories and counters.
    clear_counters : In(1)
        Strobe: counters become 0.
    begin : In(1)
        Strobe: begin a tile. Only while not ``busy``.
    base : In(address_width)
        Where its activations begin; while ``begin``.
    write_activations : In(pixels)
        The banks that are written.
    activation_address : In(address_width)
        Where.
    activations : In(ArrayLayout)
        [P][I] bytes.
    write_weights : In(1)
        Strobe: write a word of weights.
    weight_address : In(ceil(log2(weight_words)))
        Where; a tile reads words from 0 on, and after the last one the first.
    weights : In(ArrayLayout)
        [O][I] bytes.
    write_channel : In(1)
        See `Drain`.
    channel_address : In(ceil(log2(parameter_words)))
        See `Drain`.
    channel : In(ArrayLayout)
        See `Drain`.
    there : In(1)
        See `Control`.
    ready : In(1)
        See `Control`.
    go : Out(1)
        See `Control`.
    sweep_over : Out(1)
        See `Control`.
    take_residual : Out(1)
        See `Drain`.
    residual : In(ArrayLayout)
        See `Drain`.
    valid : Out(1)
        See `Drain`.
    beat : Out(8 * requantizers)
        See `Drain`.
    busy : Out(1)
        A tile runs.
    idle : Out(1)
        Not busy, and all outputs have left.
    counters : Out(StructLayout)
        See `synth.dense.control.counters`.

    Latency
    -------
    From ``begin`` one cycle to the first position.
    """

    def __init__(self, dense: Dense) -> None:
        self.dense = dense
        word = data.ArrayLayout(ACTIVATION_WIDTH, dense.inputs)
        super().__init__(
            {
                "write_register": In(1),
                "register_index": In((len(fields(dense)) - 1).bit_length()),
                "register_data": In(DATA_WIDTH),
                "clear": In(1),
                "clear_counters": In(1),
                "begin": In(1),
                "base": In(dense.address_width),
                "write_activations": In(dense.pixels),
                "activation_address": In(dense.address_width),
                "activations": In(data.ArrayLayout(word, dense.pixels)),
                "write_weights": In(1),
                "weight_address": In((dense.weight_words - 1).bit_length()),
                "weights": In(data.ArrayLayout(word, dense.outputs)),
                "write_channel": In(1),
                "channel_address": In((dense.parameter_words - 1).bit_length()),
                "channel": In(parameters(dense)),
                "there": In(1),
                "ready": In(1),
                "go": Out(1),
                "sweep_over": Out(1),
                "take_residual": Out(1),
                "residual": In(data.ArrayLayout(ACTIVATION_WIDTH, dense.requantizers)),
                "valid": Out(1),
                "beat": Out(ACTIVATION_WIDTH * dense.requantizers),
                "busy": Out(1),
                "idle": Out(1),
                "counters": Out(counters()),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.registers = file = Registers(self.dense)
        m.submodules.walk = walk = Walk(self.dense)
        m.submodules.control = control = Control(self.dense)
        m.submodules.array = array = LaneArray(self.dense)
        m.submodules.drain = drain = Drain(self.dense)
        m.d.comb += [
            file.write.eq(self.write_register),
            file.index.eq(self.register_index),
            file.data.eq(self.register_data),
            walk.begin.eq(self.begin),
            walk.base.eq(self.base),
            walk.go.eq(control.go),
            walk.bounds.eq(file.layer.bounds),
            walk.jumps.eq(file.layer.jumps),
            array.start.eq(control.start),
            array.maximum.eq(file.layer.maximum),
        ]
        self._join_control(m, file, walk, control)
        self._join_drain(m, file, control, array, drain)
        self._read_activations(m, walk, array)
        self._read_weights(m, walk, control, array)
        return m

    def _join_control(self, m: Module, file: Registers, walk: Walk, control: Control) -> None:
        for name in ("clear", "clear_counters", "begin", "there", "ready"):
            m.d.comb += getattr(control, name).eq(getattr(self, name))
        m.d.comb += [control.last.eq(walk.last), control.beats.eq(file.layer.beats)]
        for name in ("go", "sweep_over", "busy", "counters"):
            m.d.comb += getattr(self, name).eq(getattr(control, name))

    def _join_drain(
        self, m: Module, file: Registers, control: Control, array: LaneArray, drain: Drain
    ) -> None:
        m.d.comb += [
            drain.clear.eq(self.clear),
            drain.begin.eq(control.drain),
            drain.set.eq(control.set),
            drain.layer.eq(file.layer),
            drain.heads.eq(array.heads),
            drain.write.eq(self.write_channel),
            drain.write_address.eq(self.channel_address),
            drain.write_data.eq(self.channel),
            drain.residual.eq(self.residual),
            self.take_residual.eq(drain.take_residual),
            self.valid.eq(drain.valid),
            self.beat.eq(drain.beat),
            self.idle.eq(~control.busy & drain.idle),
        ]

    def _read_activations(self, m: Module, walk: Walk, array: LaneArray) -> None:
        """One bank for each pixel, and one address for all of them."""
        dense = self.dense
        for number in range(dense.pixels):
            bank = Words(ACTIVATION_WIDTH * dense.inputs, dense.activation_words)
            m.submodules[f"bank_{number}"] = bank
            m.d.comb += [
                bank.write.eq(self.write_activations[number]),
                bank.write_address.eq(self.activation_address),
                bank.data.eq(self.activations[number]),
                bank.address.eq(walk.address),
                array.pixels[number].eq(bank.word),
            ]

    def _read_weights(self, m: Module, walk: Walk, control: Control, array: LaneArray) -> None:
        """Every step reads the words of its set of output channels, then the next set those behind them."""
        dense = self.dense
        m.submodules.weights = memory = Words(
            ACTIVATION_WIDTH * dense.outputs * dense.inputs, dense.weight_words
        )
        address = Signal.like(memory.address, reset_less=True)
        first = Signal.like(memory.address, reset_less=True)  # of the set
        following = Signal.like(memory.address)
        read = Signal()  # what the memory shows is a position's
        m.d.comb += following.eq(address + 1)
        m.d.sync += read.eq(control.go)
        with m.If(self.begin):
            m.d.sync += [address.eq(0), first.eq(0)]
        with m.Elif(control.go):
            again = walk.last[STEP] & ~walk.last[SWEEP]
            m.d.sync += address.eq(Mux(again, first, following))
            with m.If(walk.last[SWEEP]):
                m.d.sync += first.eq(following)
        m.d.comb += [
            memory.write.eq(self.write_weights),
            memory.write_address.eq(self.weight_address),
            memory.data.eq(self.weights),
            memory.address.eq(address),
            array.weights.eq(memory.word & read.replicate(len(memory.word))),
        ]
