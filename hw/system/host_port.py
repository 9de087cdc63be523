"""The AXI4-Lite slave: identification, control, status, interrupt, counters."""

from __future__ import annotations

from amaranth import Cat, Const, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from shiftbook.golden.isa import host_map
from shiftbook.golden.isa.addresses import MEMORY_ADDRESS_WIDTH
from shiftbook.golden.isa.faults import Fault
from shiftbook.golden.isa.host_map import ABORT, CONTINUE, EVENTS, START, Host
from shiftbook.golden.isa.program_format import fingerprint
from shiftbook.golden.spec import Spec

COUNTERS = tuple(register for register in Host if register >= Host.CYCLES)
"""Registers that only show an input."""

STORED = (Host.INTERRUPT_ENABLE, Host.PROGRAM, Host.WATCHDOG, Host.MODE)
"""Registers that keep what is written."""

LATCHED = {"program": Host.PROGRAM, "watchdog": Host.WATCHDOG, "pause": Host.MODE}
"""What a program keeps of them from its start on, by the member that shows it."""

ALIGNED_BITS = exact_log2(host_map.ALIGNMENT)
"""Bits of PROGRAM that are 0."""


OKAY, SLVERR = 0, 2


class HostPort(wiring.Component):
    """One read and one write at a time. Addresses where nothing is, writes of a part of a word, and words
    that a register does not take now, are refused: SLVERR, and nothing is done.

    Parameters
    ----------
    spec
        What the constant registers say.

    Members
    -------
    write_address : In(stream)
        Byte address: AW.
    write_data : In(stream)
        {data, strb}: W.
    write_response : Out(stream)
        resp: B.
    read_address : In(stream)
        Byte address: AR.
    read_data : Out(stream)
        {data, resp}: R.
    irq : Out(1)
        Level: an event that is enabled was not cleared.
    start : Out(1)
        Strobe, one cycle after the write. Never while ``busy``.
    abort : Out(1)
        Strobe.
    go_on : Out(1)
        Strobe.
    program : Out(32)
        Register as it was at the last start; from the cycle of ``start`` on. So are the two below.
    watchdog : Out(32)
        Register.
    pause : Out(1)
        Register.
    busy : In(1)
        See STATUS.
    paused : In(1)
        See STATUS.
    layers : In(16)
        See STATUS.
    finished : In(1)
        Strobe: a program came to its end.
    fault : In(4)
        Why a program is given up in this cycle; 0 where it is not.
    counters : In(ArrayLayout)
        In the order of `COUNTERS`.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        word = data.StructLayout({"data": 32, "strb": 4})
        given = data.StructLayout({"data": 32, "resp": 2})
        super().__init__(
            {
                "write_address": In(stream.Signature(host_map.ADDRESS_WIDTH)),
                "write_data": In(stream.Signature(word)),
                "write_response": Out(stream.Signature(2)),
                "read_address": In(stream.Signature(host_map.ADDRESS_WIDTH)),
                "read_data": Out(stream.Signature(given)),
                "irq": Out(1),
                "start": Out(1),
                "abort": Out(1),
                "go_on": Out(1),
                "program": Out(MEMORY_ADDRESS_WIDTH),
                "watchdog": Out(32),
                "pause": Out(1),
                "busy": In(1),
                "paused": In(1),
                "layers": In(16),
                "finished": In(1),
                "fault": In(range(max(Fault) + 1)),
                "counters": In(data.ArrayLayout(32, len(COUNTERS))),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        self.occupied = Signal()  # a program is carried out, or will be in the next cycle
        self.refused = Signal()  # strobe: a write of CONTROL
        m.d.comb += self.occupied.eq(self.busy | self.start)
        stored = {register: Signal(_bits(register), name=register.name.lower()) for register in STORED}
        values: dict[Host, Value] = {
            register: Const(value, 32)
            for register, value in host_map.constants(self.spec, fingerprint(self.spec)).items()
        }
        values |= {register: self.counters[number] for number, register in enumerate(COUNTERS)}
        values |= stored
        written, word = self._write(m, values)
        for register, value in stored.items():
            first = ALIGNED_BITS if register == Host.PROGRAM else 0
            with m.If(written[register]):
                m.d.sync += value[first:].eq(word[first:])
        starts = Signal()
        m.d.comb += Cat(starts, self.abort, self.go_on).eq(word & written[Host.CONTROL].replicate(3))
        m.d.sync += self.start.eq(starts)
        with m.If(starts):
            m.d.sync += [getattr(self, name).eq(stored[register]) for name, register in LATCHED.items()]
        clear = word & written[Host.INTERRUPT].replicate(len(EVENTS))
        values[Host.STATUS], values[Host.INTERRUPT] = self._events(m, starts, clear)
        m.d.comb += self.irq.eq((values[Host.INTERRUPT] & stored[Host.INTERRUPT_ENABLE]).any())
        self._read(m, values)
        return m

    def _write(self, m: Module, values: dict[Host, Value]) -> tuple[dict[Host, Value], Value]:
        """Take address and data together; a strobe for each register that takes the word, and the word."""
        both = Signal()
        write = self.write_data.payload
        whole = write.strb == 0b1111
        command = write.data
        takes = {
            Host.CONTROL: Mux(
                command == START, ~self.occupied, Mux(command == CONTINUE, self.paused, command == ABORT)
            ),
            Host.PROGRAM: ~write.data[:ALIGNED_BITS].any(),
        }
        writable = [r for r, entry in host_map.REGISTERS.items() if "write" in entry.access]
        written = {register: Signal(name=f"write_{register.name.lower()}") for register in writable}
        for register, strobe in written.items():
            found = both & whole & (self.write_address.payload == register)
            m.d.comb += strobe.eq(found & takes.get(register, 1))
        m.d.comb += [
            both.eq(self.write_address.valid & self.write_data.valid & ~self.write_response.valid),
            self.write_address.ready.eq(both),
            self.write_data.ready.eq(both),
        ]
        taken = Cat(written.values()).any()
        m.d.comb += self.refused.eq(both & (self.write_address.payload == Host.CONTROL) & ~taken)
        with m.If(both):
            m.d.sync += self.write_response.payload.eq(_response(taken))
            m.d.sync += self.write_response.valid.eq(1)
        with m.Elif(self.write_response.ready):
            m.d.sync += self.write_response.valid.eq(0)
        return written, write.data

    def _read(self, m: Module, values: dict[Host, Value]) -> None:
        """One register a read."""
        accept = Signal()
        m.d.comb += [
            accept.eq(self.read_address.valid & ~self.read_data.valid),
            self.read_address.ready.eq(accept),
        ]
        with m.If(accept):
            m.d.sync += [
                self.read_data.valid.eq(1),
                self.read_data.payload.data.eq(0),
                self.read_data.payload.resp.eq(SLVERR),
            ]
            with m.Switch(self.read_address.payload):
                for register, value in values.items():
                    with m.Case(int(register)):
                        m.d.sync += [
                            self.read_data.payload.data.eq(value),
                            self.read_data.payload.resp.eq(OKAY),
                        ]
        with m.Elif(self.read_data.ready):
            m.d.sync += self.read_data.valid.eq(0)

    def _events(self, m: Module, starts: Value, clear: Value) -> tuple[Value, Value]:
        """STATUS and INTERRUPT."""
        done = Signal()
        fault = Signal.like(self.fault)
        was_paused = Signal()
        events = Signal(len(EVENTS))
        happened = Cat(self.finished, self.fault.any(), self.paused & ~was_paused, self.refused)
        m.d.sync += [
            was_paused.eq(self.paused),
            events.eq((events & ~clear) | happened),
        ]
        with m.If(self.finished):
            m.d.sync += done.eq(1)
        with m.If(self.fault.any()):
            m.d.sync += fault.eq(self.fault)
        with m.If(starts):
            m.d.sync += [done.eq(0), fault.eq(0)]
        status = Cat(
            self.occupied, done, self.paused, Const(0, 5), fault, Const(0, 8 - len(fault)), self.layers
        )
        return status, events


def _bits(register: Host) -> int:
    return sum(field.width for field in host_map.REGISTERS[register].fields)


def _response(found: Value) -> Value:
    return Cat(Const(0, 1), ~found)
