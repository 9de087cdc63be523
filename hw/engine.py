"""The engine: everything between the weight streams and the output stream."""

from __future__ import annotations

from amaranth import Elaboratable, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.spec import Spec
from hw import registers
from hw.layouts import config_word, struct, tile_word


class Engine(wiring.Component):
    """One layer of one tile at a time, from coded weights to 8-bit outputs.

    Parameters
    ----------
    spec
        Grid, slots, lane, feed and all widths.

    Members
    -------
    config : In(stream)
        Struct {address: 16, data: 32}, always ready; see `hw.registers`. While idle.
    start : In(1)
        Strobe: begin a layer. While busy it abandons the layer and begins anew, from a clean state.
    busy : Out(1)
        From the cycle after ``start`` until the last output of the layer was taken.
    done : Out(1)
        Strobe in the last busy cycle.
    gaps : In(stream).array(slots)
        Words of the gap streams; not there with a dense feed. Taken only while busy.
    codes : In(stream).array(slots)
        Words of the code streams (dense feed: raw int8 weights). Taken only while busy.
    channels : In(stream)
        Struct {bias: signed, multiplier, shift} of each output channel, taken at its commit.
    tile : In(stream)
        Struct {slot_mask, address, plane}, always ready; written to the banks of the masked slots. While idle.
    output : Out(stream)
        ``requantizers`` bytes a beat; beat j byte q is lane ``q * drain_cycles + j``.
    cycles : Out(32)
        Busy cycles of this or the last layer.
    terms : Out(32)
        Codebook rows issued on all slots.
    stalls : Out(32)
        Cycles in which nothing was issued because a stream, the channel parameters or the output kept us waiting.
    error : Out(2)
        1 after a code word that no code has, until the next ``start``.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        word = stream.Signature(spec.word_width)
        members = {
            "config": In(stream.Signature(config_word(), always_ready=True)),
            "start": In(1),
            "busy": Out(1),
            "done": Out(1),
            "codes": In(word).array(spec.slots),
            "channels": In(stream.Signature(struct(registers.channel_parameters(spec)))),
            "tile": In(stream.Signature(tile_word(spec), always_ready=True)),
            "output": Out(stream.Signature(8 * spec.requantizers)),
            "cycles": Out(32),
            "terms": Out(32),
            "stalls": Out(32),
            "error": Out(2),
        }
        if spec.feed == "coded":
            members["gaps"] = In(word).array(spec.slots)
        super().__init__(members)

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        return m

