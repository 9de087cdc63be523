"""The reading half of the AXI4 master: bursts in the order of urgency, answers in the order of bursts."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa.addresses import stream_count
from shiftbook.golden.isa.buffers import BURSTS_IN_FLIGHT
from shiftbook.golden.spec import Spec
from shiftbook.hw.system.burst_queue import burst_queue
from shiftbook.hw.system.interfaces import Reader, answer, burst, local_bit, parity_bits, read_request
from shiftbook.hw.system.parity import odd_parity


class ReadMaster(wiring.Component):
    """Turns requests into bursts that never cross a multiple of the longest burst, nor so a 4 KiB boundary.

    Answers come back in order, because all bursts have the same ID. A burst that the bus took is finished
    whatever happens.

    Parameters
    ----------
    spec
        Bus width and parity, burst length, bursts in flight.

    Members
    -------
    halt : In(1)
        Begin no burst.
    requests : In(Signature).array(4)
        One for each `Reader`.
    address : Out(stream)
        See `hw.system.interfaces.burst`: the AR channel, or to the tensor buffer.
    read : In(stream)
        {data, resp, last}: the R channel; with parity also {datachk}.
    answers : Out(stream)
        See `hw.system.interfaces.answer`.
    idle : Out(1)
        No burst is asked for or under way.
    response : Out(2)
        Of the beat that is taken in this cycle, 0 where none is.
    beat : Out(1)
        A beat is taken in this cycle.
    local : Out(1)
        With a tensor buffer only: the next beat of ``read`` is one of its.
    bad_parity : Out(1)
        With parity only: a byte of the beat that is taken in this cycle is not what was sent.

    Latency
    -------
    One cycle from a request to ``address``; none from ``read`` to ``answers``.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        beat = data.StructLayout({"data": 8 * spec.bus_bytes, **parity_bits(spec), "resp": 2, "last": 1})
        super().__init__(
            {
                "halt": In(1),
                "requests": In(read_request(spec)).array(len(Reader)),
                "address": Out(stream.Signature(burst(spec))),
                "read": In(stream.Signature(beat)),
                "answers": Out(stream.Signature(answer(spec))),
                "idle": Out(1),
                "response": Out(2),
                "beat": Out(1),
                **{name: Out(width) for name, width in local_bit(spec).items()},
                **({"bad_parity": Out(1)} if spec.bus_parity else {}),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        tag = data.StructLayout(
            {
                "reader": len(Reader),
                "index": (stream_count(self.spec) - 1).bit_length(),
                "ends": 1,
                **local_bit(self.spec),
            }
        )
        entry, head = Signal(tag), Signal(tag)
        put, got = Signal(), Signal()
        waiting = burst_queue(m, entry, head, put, got, self.spec.outstanding)
        choice, some = self._choose(m)
        free = Signal()
        take = Signal()
        limit = BURSTS_IN_FLIGHT * self.spec.burst_beats
        in_flight = Signal(range(limit + self.spec.burst_beats + 1))
        m.d.comb += [
            free.eq(~self.address.valid | self.address.ready),
            take.eq(some & free & (waiting != self.spec.outstanding) & (in_flight < limit) & ~self.halt),
            put.eq(take),
            entry.reader.eq(choice),
        ]
        chosen = [(choice[reader], self.requests[reader]) for reader in Reader]
        address = _one_of([(bit, request.address) for bit, request in chosen])
        beats = _one_of([(bit, request.beats) for bit, request in chosen])
        length = self._length(m, address, beats)
        m.d.comb += [
            entry.index.eq(_one_of([(bit, request.index) for bit, request in chosen])),
            entry.ends.eq((beats == length) & (choice & Cat(r.last for r in self.requests)).any()),
        ]
        for bit, request in chosen:
            m.d.comb += [request.grant.eq(take & bit), request.granted.eq(length)]
        with m.If(free):
            m.d.sync += self.address.valid.eq(take)
        with m.If(take):
            m.d.sync += [
                self.address.payload.address.eq(address),
                self.address.payload.more_beats.eq(length - 1),
            ]
        m.d.sync += in_flight.eq(in_flight + Mux(take, length, 0) - self.beat)
        read, given = self.read.payload, self.answers.payload
        m.d.comb += [
            given.reader.as_value().eq(head.reader),
            given.index.eq(head.index),
            given.last.eq(head.ends & read.last),
            given.data.eq(read.data),
            self.answers.valid.eq(self.read.valid & (waiting != 0)),
            self.read.ready.eq(self.answers.ready & (waiting != 0)),
            self.beat.eq(self.read.valid & self.read.ready),
            got.eq(self.beat & read.last),
            self.response.eq(Mux(self.beat, read.resp, 0)),
            self.idle.eq(~self.address.valid & (waiting == 0)),
        ]
        if self.spec.tensor_kib:
            local = _one_of([(bit, request.local) for bit, request in chosen])
            m.d.comb += [entry.local.eq(local), self.local.eq(head.local)]
            with m.If(take):
                m.d.sync += self.address.payload.local.eq(local)
        if self.spec.bus_parity:
            m.d.comb += self.bad_parity.eq(self.beat & (read.datachk != odd_parity(read.data)))
        return m

    def _choose(self, m: Module) -> tuple[Signal, Value]:
        """One bit for the most urgent request; whether there is one."""
        # A burst has a beat at least: who asks for none waits until the program is given up.
        wanted = Cat(request.valid & request.beats.any() for request in self.requests)
        choice = Signal(len(Reader))
        m.d.comb += choice.eq(wanted & (~wanted + 1))
        return choice, wanted.any()

    def _length(self, m: Module, address: Value, beats: Value) -> Signal:
        """Beats of the burst: up to the next multiple of the longest one."""
        longest = self.spec.burst_beats
        bits = longest.bit_length() - 1
        to_boundary = Signal(range(longest + 1))
        length = Signal(range(longest + 1))
        m.d.comb += [
            to_boundary.eq(longest - address[:bits]),
            length.eq(Mux(beats < to_boundary, beats, to_boundary)),
        ]
        return length


def _one_of(choices: list[tuple[Value, Value]]) -> Value:
    """The value whose bit is 1."""
    result = None
    for bit, value in choices:
        masked = value & bit.replicate(len(value))
        result = masked if result is None else result | masked
    assert result is not None
    return result
