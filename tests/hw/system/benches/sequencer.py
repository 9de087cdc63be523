"""What stands around the sequencer."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In

from shiftbook.golden.isa import registers
from shiftbook.golden.isa.addresses import beat_address_width
from shiftbook.golden.isa.program_format import WORD_WIDTH
from shiftbook.golden.spec import Spec
from shiftbook.hw.system.sequencer import Sequencer
from tests.hw.system.benches.parts import COUNT, into, log, out


class SequencerBench(wiring.Component):
    """A sequencer that is started for each of ``starts`` and told what happens around it.

    It gets ``words`` when it has asked for them. A layer takes some cycles, and so do its streams, its input
    and its outputs; a pause ends by itself. ``wrong``: a command was over before what it waits for.
    ``events``: what was done, of `SequencerBench.KINDS`; ``asked``: bursts of the program.
    """

    KINDS = ("configure", "load", "fetch", "begin", "paused", "finished", "fault")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        event = {"kind": 3, "address": registers.ADDRESS_WIDTH, "data": 32, "layers": 16, "wrong": 1}
        super().__init__(
            {
                "starts": into(
                    {"base": beat_address_width(spec), "pause": 1, "empty_input": 1, "empty_layer": 1}
                ),
                "words": In(stream.Signature(WORD_WIDTH)),
                "events": out(event),
                "asked": out({"address": beat_address_width(spec), "beats": 8}),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        spec = self.spec
        m.submodules.sequencer = unit = Sequencer(spec)
        request, fault = unit.request, unit.fault.any()
        clock, since, waited, early = Signal(8), Signal(6), Signal(2), Signal()
        available = Signal(COUNT)  # words that were asked for and not taken
        granted, moved, wrong = Signal(8), Signal(), Signal()
        m.d.comb += [
            unit.start.eq(self.starts.valid & ~unit.busy),
            self.starts.ready.eq(unit.finished | fault),
            unit.stop.eq(fault),
            unit.base.eq(self.starts.payload.base),
            unit.pause.eq(self.starts.payload.pause),
            unit.go_on.eq(waited == 3),
            unit.room.eq(clock[1]),
            unit.empty.eq(available == 0),
            unit.empty_input.eq(self.starts.payload.empty_input),
            unit.empty_layer.eq(self.starts.payload.empty_layer),
            unit.fetched.eq((since == 0) | (since > 20)),
            unit.engine_over.eq((since == 0) | (since > 30)),
            unit.layer_over.eq((since == 0) | (since > 40)),
            unit.loader_over.eq((since == 0) | (since > 10)),
            unit.quiet.eq(unit.layer_over & (clock[3] | (waited != 0))),
            early.eq(
                (unit.load & ~unit.fetched)
                | (unit.fetch & ~unit.engine_over)
                | ((unit.begin | unit.paused) & ~unit.layer_over)
                | (unit.configure & ~unit.loader_over)
                | (unit.finished & ~unit.quiet)
            ),
            request.grant.eq(request.valid & clock[0]),
            request.granted.eq(Mux(request.beats < spec.burst_beats, request.beats, spec.burst_beats)),
            granted.eq(Mux(request.grant, request.granted, 0)),
            unit.words.valid.eq(self.words.valid & (available != 0)),
            unit.words.payload.eq(self.words.payload),
            self.words.ready.eq(unit.words.ready & (available != 0)),
            moved.eq(self.words.valid & self.words.ready),
        ]
        m.d.sync += [
            clock.eq(clock + 1),
            since.eq(Mux(unit.begin, 1, Mux((since == 0) | fault, 0, since + 1))),
            waited.eq(Mux(unit.paused, waited + 1, 0)),
            available.eq(available + granted * (8 * spec.bus_bytes // WORD_WIDTH) - moved),
        ]
        m.d.sync += wrong.eq(wrong | early)
        with m.If(unit.start):
            m.d.sync += available.eq(0)
        paused = unit.paused & (waited == 0)
        kind, address, word = Signal(3), Signal(registers.ADDRESS_WIDTH), Signal(32)
        strobes = (unit.configure, unit.load, unit.fetch, unit.begin, paused, unit.finished, fault)
        for number, strobe in enumerate(strobes):
            with m.If(strobe):
                m.d.comb += kind.eq(number)
        with m.If(fault):
            m.d.comb += word.eq(unit.fault)
        with m.Elif(unit.configure):
            m.d.comb += [address.eq(unit.config.address), word.eq(unit.config.data)]
        log(
            m, "events", self.events, Cat(kind, address, word, unit.layers, wrong | early), Cat(strobes).any()
        )
        log(m, "asked", self.asked, Cat(request.address, granted), request.grant)
        return m
