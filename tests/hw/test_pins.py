import random

from amaranth import Elaboratable, Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from shiftbook.hw.pins import FOLDED, Pins


class Inverter(wiring.Component):
    """Four bits, inverted, and a struct that is passed on: ports of several kinds."""

    def __init__(self) -> None:
        pair = data.StructLayout({"low": 2, "high": 1})
        super().__init__({"a": In(4), "pair_in": In(pair), "y": Out(4), "pair_out": Out(pair)})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.d.comb += [self.y.eq(~self.a), self.pair_out.eq(self.pair_in)]
        return m


def model(bits: list[int]) -> list[int]:
    """What leaves, for what enters: registers in, the inverter, registers out, and their fold."""
    way_in, seen, out = [0] * 7, [0] * 7, [0] * -(-7 // FOLDED)
    leaves = []
    for bit in bits:
        leaves.append(out[-1])
        folds = [sum(seen[i : i + FOLDED]) % 2 for i in range(0, 7, FOLDED)]
        out = [fold ^ before for fold, before in zip(folds, [0, *out[:-1]], strict=True)]
        seen = [1 - b for b in way_in[:4]] + way_in[4:]
        way_in = [bit, *way_in[:-1]]
    return leaves


def test_every_bit_enters_and_leaves() -> None:
    pins = Pins(Inverter())
    bits = [random.Random(1).getrandbits(1) for _ in range(200)]
    found = []

    async def bench(ctx) -> None:
        for bit in bits:
            ctx.set(pins.serial_in, bit)
            found.append(ctx.get(pins.serial_out))
            await ctx.tick()

    simulator = Simulator(pins)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert found == model(bits)
