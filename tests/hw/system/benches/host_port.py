"""What stands around the host port."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Mux, Signal
from amaranth.lib import wiring

from shiftbook.golden.isa.addresses import MEMORY_ADDRESS_WIDTH
from shiftbook.golden.spec import Spec
from shiftbook.hw.system.host_port import HostPort
from tests.hw.system.benches.parts import into, out


class HostBench(wiring.Component):
    """A host port to which ``operations`` are done one after another.

    Each sets what the port shows, an event for one cycle, and then reads or writes. What is ``seen`` is
    the answer, the strobes that came, and the registers that the accelerator gets.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.host = HostPort(spec)
        shown = ("busy", "paused", "layers", "finished", "fault", "counters")
        self.shown = {name: self.host.signature.members[name].shape for name in shown}
        operation = {"write": 1, "address": 8, "data": 32, "strb": 4, **self.shown}
        seen = {"data": 32, "resp": 2, "start": 4, "abort": 4, "go_on": 4}
        seen |= {"program": MEMORY_ADDRESS_WIDTH, "watchdog": 32, "pause": 1, "irq": 1}
        super().__init__({"operations": into(operation), "seen": out(seen)})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.host = host = self.host
        now, seen = self.operations.payload, self.seen.payload
        step = Signal(3)
        write, read = Signal(), Signal()
        m.d.comb += [
            *(getattr(host, name).eq(now[name]) for name in ("busy", "paused", "layers", "counters")),
            host.finished.eq(now.finished & (step == 1)),
            host.fault.eq(Mux(step == 1, now.fault, 0)),
            write.eq(now.write & (step == 2)),
            read.eq(~now.write & (step == 2)),
            host.write_address.valid.eq(write),
            host.write_data.valid.eq(write),
            host.write_address.payload.eq(now.address),
            host.write_data.payload.data.eq(now.data),
            host.write_data.payload.strb.eq(now.strb),
            host.read_address.valid.eq(read),
            host.read_address.payload.eq(now.address),
            self.seen.valid.eq((step == 4) & (host.write_response.valid | host.read_data.valid)),
            host.write_response.ready.eq(self.seen.ready & (step == 4)),
            host.read_data.ready.eq(self.seen.ready & (step == 4)),
            self.operations.ready.eq(self.seen.valid & self.seen.ready),
            seen.data.eq(Mux(now.write, 0, host.read_data.payload.data)),
            seen.resp.eq(Mux(now.write, host.write_response.payload, host.read_data.payload.resp)),
            seen.irq.eq(host.irq),
            *(seen[name].eq(getattr(host, name)) for name in ("program", "watchdog", "pause")),
        ]
        for name in ("start", "abort", "go_on"):
            count = Signal(4, name=f"{name}_count")
            m.d.sync += count.eq(count + getattr(host, name))
            with m.If(self.operations.ready):
                m.d.sync += count.eq(0)
            m.d.comb += seen[name].eq(count)
        with m.If(self.operations.ready):
            m.d.sync += step.eq(0)
        with m.Elif(((step < 2) & self.operations.valid) | (step == 3)):  # a start comes a cycle later
            m.d.sync += step.eq(step + 1)
        with m.Elif(
            (write & host.write_address.ready & host.write_data.ready) | (read & host.read_address.ready)
        ):
            m.d.sync += step.eq(3)
        return m
