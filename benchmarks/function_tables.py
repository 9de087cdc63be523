"""Gates of the default engine without and with function tables, and of one table that requantizers share.

    python -m benchmarks.function_tables

A table of flip-flops serves any number of readers, each by its own multiplexer of 256 bytes; a memory with
one read port serves one requantizer.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from amaranth import Array, Elaboratable, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from benchmarks.command import start
from shiftbook.golden.isa.registers import Region
from shiftbook.golden.spec import ACTIVATION_WIDTH, DEFAULT, Spec
from shiftbook.hw.engine.engine import Engine
from shiftbook.hw.engine.layouts import memory_write
from shiftbook.synth.flow.measure import Ruler, measure
from shiftbook.synth.flow.weights import NAND2_TABLE, load_weights


class SharedTable(wiring.Component):
    """One table of flip-flops for all requantizers, in the place of `hw.engine.function_table` for each.

    Parameters
    ----------
    spec
        Requantizers.

    Members
    -------
    write : In(Signature)
        An entry.
    enable : In(1)
        Look up.
    activations : In(ArrayLayout)
        What the requantizers make.
    results : Out(ArrayLayout)
        The same, or the entries of those of the cycle before.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        beat = data.ArrayLayout(ACTIVATION_WIDTH, spec.requantizers)
        super().__init__(
            {
                "write": In(memory_write(spec, Region.FUNCTION)),
                "enable": In(1),
                "activations": In(beat),
                "results": Out(beat),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        entries = [
            Signal(ACTIVATION_WIDTH, name=f"entry_{index}", reset_less=True)
            for index in range(1 << ACTIVATION_WIDTH)
        ]
        for index, entry in enumerate(entries):
            with m.If(self.write.enable & (self.write.index == index)):
                m.d.sync += entry.eq(self.write.data)
        for activation, result in zip(self.activations, self.results, strict=True):
            found = Signal(ACTIVATION_WIDTH, reset_less=True)
            m.d.sync += found.eq(Array(entries)[activation])
            m.d.comb += result.eq(Mux(self.enable, found, activation))
        return m


def main() -> None:
    """Measure and print."""
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    without = replace(DEFAULT, function_tables=False)
    designs = {
        "engine without": lambda: Engine(without),
        "engine with a memory for each requantizer": lambda: Engine(DEFAULT),
        "one table of flip-flops, alone": lambda: SharedTable(DEFAULT),
    }
    weights = load_weights(NAND2_TABLE)
    found = measure(designs, Ruler(weights))
    base = found["engine without"].gates.cost(weights)
    for name, measured in found.items():
        total = measured.gates.cost(weights)
        print(
            f"{name:42} {total:10,.0f} GE {total / base:8.2%} {measured.gates.memory_bits():11,} memory bits"
        )


if __name__ == "__main__":
    start(main)
