"""The bench itself, on a block small enough to be obviously right, and on ones that are wrong."""

import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.sim import bench
from shiftbook.sim.simulator import SimulationError

PAIR = data.StructLayout({"low": signed(4), "high": 8})


class Add(wiring.Component):
    """Adds ``extra`` to a stream; ``fault`` makes it wrong in a chosen way."""

    input: In(stream.Signature(PAIR))
    output: Out(stream.Signature(signed(10)))
    extra: In(signed(4))

    def __init__(self, fault: str = "none") -> None:
        self.fault = fault
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        full = Signal()
        total = Signal(signed(10))
        move = self.output.ready | ~full
        m.d.comb += [self.output.payload.eq(total), self.output.valid.eq(full)]
        if self.fault == "repeat":
            m.d.comb += self.output.valid.eq(1)
        if self.fault != "hang":
            m.d.comb += self.input.ready.eq(1 if self.fault == "drop" else move)
        with m.If(move):
            m.d.sync += [
                full.eq(self.input.valid),
                total.eq(self.input.payload.low + self.input.payload.high + self.extra),
            ]
        return m


STIMULUS = [{"low": (i * 5) % 16 - 8, "high": (i * 37) % 256} for i in range(200)]
EXPECTED = [item["low"] + item["high"] - 3 for item in STIMULUS]


def observe(block: Add, pauses: bench.Pauses, limit: int = 100_000) -> list[int]:
    return bench.observe(
        block,
        inputs={"input": STIMULUS},
        outputs={"output": len(EXPECTED)},
        constants={"extra": -3},
        pauses=pauses,
        limit=limit,
    )["output"]


@pytest.mark.parametrize("pauses", bench.PAUSES)
def test_right_block(pauses: bench.Pauses) -> None:
    assert observe(Add(), pauses) == EXPECTED


def test_dropped_payload_is_seen_only_under_backpressure() -> None:
    assert observe(Add("drop"), bench.PAUSES[0]) == EXPECTED
    with pytest.raises(SimulationError, match="hung"):
        observe(Add("drop"), bench.PAUSES[2], limit=2000)


def test_surplus_payload() -> None:
    with pytest.raises(SimulationError, match="gives more"):
        observe(Add("repeat"), bench.PAUSES[0])


def test_hang() -> None:
    with pytest.raises(SimulationError, match="hung: after 500 cycles"):
        observe(Add("hang"), bench.PAUSES[0], limit=500)


@pytest.mark.parametrize(
    ("shape", "value", "bits"),
    [
        (4, 9, 9),
        (signed(4), -1, 15),
        (PAIR, {"low": -1, "high": 2}, 0x2F),
        (data.ArrayLayout(signed(4), 2), [-8, 7], 0x78),
    ],
)
def test_pack(shape: object, value: object, bits: int) -> None:
    assert bench.pack(shape, value) == bits
    assert bench.unpack(shape, bits) == value
