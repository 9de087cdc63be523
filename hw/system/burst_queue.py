"""A queue in a memory: what is known of the bursts under way."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import data
from amaranth.lib.memory import Memory


def burst_queue(m: Module, entry: data.View, head: data.View, put: Signal, got: Signal, depth: int) -> Signal:
    """Add it to a module; returns how many entries there are.

    Parameters
    ----------
    entry
        What enters while ``put``. Only while fewer than ``depth`` are there.
    head
        Becomes the oldest, which leaves while ``got``. Its bits mean nothing while there is none.

    Latency
    -------
    One cycle.
    """
    m.submodules.queue = memory = Memory(shape=entry.shape(), depth=depth, init=[])
    write, read = memory.write_port(), memory.read_port(domain="comb")
    end, first = Signal(range(depth), name="end"), Signal(range(depth), name="first")
    waiting = Signal(range(depth + 1))
    m.d.comb += [
        write.en.eq(put),
        write.addr.eq(end),
        write.data.eq(entry),
        read.addr.eq(first),
        head.eq(read.data),
    ]
    m.d.sync += [
        end.eq(Mux(put, Mux(end == depth - 1, 0, end + 1), end)),
        first.eq(Mux(got, Mux(first == depth - 1, 0, first + 1), first)),
        waiting.eq(waiting + put - got),
    ]
    return waiting
