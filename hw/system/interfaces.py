"""Shapes and interfaces that the parts of the accelerator share."""

from __future__ import annotations

from enum import IntEnum

from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa import host_map
from shiftbook.golden.isa.addresses import (
    LENGTH_WIDTH,
    MEMORY_ADDRESS_WIDTH,
    beat_address_width,
    stream_count,
)
from shiftbook.golden.spec import Spec
from shiftbook.hw.axi import Axi

REGISTER_WIDTH = 32
"""Bits of a register of the host's map."""


class Reader(IntEnum):
    """Who reads memory, the most urgent first."""

    PROGRAM = 0
    STREAMS = 1
    RESIDUAL = 2
    LOADER = 3


class Response(IntEnum):
    """AXI response codes that are errors."""

    SLVERR = 2
    DECERR = 3


def local_bit(spec: Spec) -> dict[str, int]:
    """Width of ``local``, which an address has beside it where there is a tensor buffer: it is there."""
    return {"local": 1} if spec.tensor_kib else {}


def burst(spec: Spec) -> data.StructLayout:
    """A burst on its way to memory: address in beats, and beats minus 1; see `local_bit`."""
    return data.StructLayout(
        {
            "address": beat_address_width(spec),
            "more_beats": (spec.burst_beats - 1).bit_length(),
            **local_bit(spec),
        }
    )


def read_request(spec: Spec) -> wiring.Signature:
    """Ask for ``beats`` beats from ``address``, seen from who asks.

    The bus takes the first ``granted`` of them in a cycle with ``grant``; the rest is asked for in the next
    cycle. ``index`` comes back with the data, and ``last`` with the last beat.
    """
    return wiring.Signature(
        {
            "valid": Out(1),
            "address": Out(beat_address_width(spec)),
            **{name: Out(width) for name, width in local_bit(spec).items()},
            "beats": Out(LENGTH_WIDTH),
            "index": Out(range(stream_count(spec))),
            "last": Out(1),
            "grant": In(1),
            "granted": In(range(spec.burst_beats + 1)),
        }
    )


def parity_bits(spec: Spec) -> dict[str, int]:
    """Width of ``datachk``, which a beat on the bus has beside its data, where the bus has parity at all.

    See `hw.system.parity.odd_parity`.
    """
    return {"datachk": spec.bus_bytes} if spec.bus_parity else {}


def answer(spec: Spec) -> data.StructLayout:
    """A beat that was read, and who asked for it. ``last``: it ends a request that said so."""
    return data.StructLayout(
        {
            "reader": data.ArrayLayout(1, len(Reader)),
            "index": (stream_count(spec) - 1).bit_length(),
            "last": 1,
            "data": 8 * spec.bus_bytes,
        }
    )


def host_bus() -> Axi:
    """AXI4-Lite: registers of 32 bits. ``prot`` is ignored."""
    address = {"addr": host_map.ADDRESS_WIDTH, "prot": 3}
    return Axi(
        aw=address,
        w={"data": REGISTER_WIDTH, "strb": REGISTER_WIDTH // 8},
        b={"resp": 2},
        ar=address,
        r={"data": REGISTER_WIDTH, "resp": 2},
    )


def memory_bus(spec: Spec) -> Axi:
    """AXI4: incrementing bursts of whole beats; IDs are 0, and those of answers ignored.

    With ``Spec.bus_parity`` data comes with ``datachk``: odd parity, bit n of byte n.
    """
    beat = {"data": 8 * spec.bus_bytes, **parity_bits(spec)}
    address = {"id": 1, "addr": MEMORY_ADDRESS_WIDTH, "len": 8, "size": 3, "burst": 2}
    return Axi(
        aw=address,
        w={**beat, "strb": spec.bus_bytes, "last": 1},
        b={"id": 1, "resp": 2},
        ar=address,
        r={"id": 1, **beat, "resp": 2, "last": 1},
    )
