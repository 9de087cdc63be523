"""What stands around the read master."""

from __future__ import annotations

from amaranth import Cat, Const, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa.addresses import LENGTH_WIDTH, beat_address_width, stream_count
from shiftbook.golden.spec import Spec
from shiftbook.hw.system.interfaces import Reader, answer, parity_bits
from shiftbook.hw.system.read_master import ReadMaster
from tests.hw.system.benches.parts import COUNT, into, log, out, unsteady


class ReadBench(wiring.Component):
    """A read master with a memory that holds in each beat its address.

    A beat of memory, with its response, takes one of ``ticks``; with parity also with the bits of its data
    and parity that changed on the way. In each cycle with one of ``halts``
    nothing may begin. ``grants`` tells who was chosen of whom, how much of it, and what was on its way;
    ``wrong`` is there where a valid payload changed.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.reads = ReadMaster(spec)
        address = beat_address_width(spec)
        flips = 8 * spec.bus_bytes + sum(parity_bits(spec).values())
        ask = {"address": address, "beats": LENGTH_WIDTH, "index": range(stream_count(spec)), "last": 1}
        super().__init__(
            {
                "asks": into(ask).array(len(Reader)),
                "ticks": into({"resp": 2, "flips": flips}),
                "halts": In(stream.Signature(1)),
                "grants": out(
                    {
                        "chosen": 4,
                        "wanted": 4,
                        "halted": 1,
                        "beats": COUNT,
                        "in_flight": COUNT,
                        "bursts": COUNT,
                    }
                ),
                "bursts": Out(self.reads.address.signature),
                "answers": out({"answer": answer(spec), "resp": 2, "bad_parity": 1, "wrong": 1}),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.reads = reads = self.reads
        granted = Signal(COUNT)
        chosen, wanted = [], []
        for number, (ask, request) in enumerate(zip(self.asks, reads.requests, strict=True)):
            done = Signal(LENGTH_WIDTH, name=f"done_{number}")
            m.d.comb += [
                request.valid.eq(ask.valid),
                request.address.eq(ask.payload.address + done),
                request.beats.eq(ask.payload.beats - done),
                request.index.eq(ask.payload.index),
                request.last.eq(ask.payload.last),
                ask.ready.eq(request.grant & (request.granted == request.beats)),
            ]
            with m.If(request.grant):
                m.d.sync += done.eq(Mux(ask.ready, 0, done + request.granted))
                m.d.comb += granted.eq(request.granted)
            chosen.append(request.grant)
            wanted.append(request.valid)
        m.d.comb += [reads.halt.eq(self.halts.valid), self.halts.ready.eq(1)]
        wrong = self._memory(m, reads)
        ended = reads.beat & reads.read.payload.last
        in_flight, under_way = Signal(COUNT), Signal(COUNT)
        m.d.sync += [
            in_flight.eq(in_flight + granted - reads.beat),
            under_way.eq(under_way + (granted != 0) - ended),
        ]
        item = Cat(*chosen, *wanted, reads.halt, granted, in_flight, under_way)
        log(m, "grants", self.grants, item, Cat(chosen).any())
        idle = Signal()  # says so while something is under way
        m.d.sync += idle.eq(idle | (reads.idle & (under_way != 0)))
        m.d.comb += [
            self.answers.payload.answer.eq(reads.answers.payload),
            self.answers.payload.resp.eq(reads.response),
            self.answers.payload.bad_parity.eq(reads.bad_parity if self.spec.bus_parity else 0),
            self.answers.payload.wrong.eq(wrong | idle),
            self.answers.valid.eq(reads.answers.valid),
            reads.answers.ready.eq(self.answers.ready),
        ]
        return m

    def _memory(self, m: Module, reads: ReadMaster) -> Value:
        burst = reads.address
        m.submodules.asked = asked = SyncFIFOBuffered(width=len(burst.payload.as_value()), depth=64)
        head = data.View(burst.payload.shape(), asked.r_data)
        number = Signal(COUNT)
        read = reads.read
        data_sent = Signal.like(read.payload.data)
        check = ones_left(data_sent) if self.spec.bus_parity else Const(0, 0)
        received = Signal(len(data_sent) + len(check))
        if self.spec.bus_parity:
            m.d.comb += read.payload.datachk.eq(received[len(data_sent) :])
        m.d.comb += [
            self.bursts.payload.eq(burst.payload),
            self.bursts.valid.eq(burst.valid & asked.w_rdy),
            burst.ready.eq(self.bursts.ready & asked.w_rdy),
            asked.w_en.eq(burst.valid & burst.ready),
            asked.w_data.eq(burst.payload),
            read.valid.eq(self.ticks.valid & asked.r_rdy),
            self.ticks.ready.eq(read.ready & asked.r_rdy),
            data_sent.eq(head.address + number),
            received.eq(Cat(data_sent, check) ^ self.ticks.payload.flips),
            read.payload.data.eq(received),
            read.payload.resp.eq(self.ticks.payload.resp),
            read.payload.last.eq(number == head.more_beats),
            asked.r_en.eq(read.valid & read.ready & read.payload.last),
        ]
        with m.If(read.valid & read.ready):
            m.d.sync += number.eq(Mux(read.payload.last, 0, number + 1))
        return unsteady(m, burst)


def ones_left(beat: Value) -> Value:
    """What each byte lacks of an odd number of ones, counted bit by bit."""
    return Cat((1 + sum(beat[8 * byte :][:8]))[0] for byte in range(len(beat) // 8))
