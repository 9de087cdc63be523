"""Two output channels with one pattern of zeros, and rotators of nearby pixels: what would they save?

A *pair* of output channels keeps weights at the same positions. One gap, one fetched and rotated pixel then
serves two lanes with an accumulator each. A *close* rotator moves pixels by -1, 0 or 1 row and column, which
is what 3 x 3 kernels need at stride 1; larger kernels would take extra passes.

Gates of engines with both, in GE per term, from the modules of a report of ``shiftbook gates`` and a netlist
of the close rotator. Nothing here says what pairs cost in accuracy.

    python -m benchmarks.pairs docs/results/gates.json --engine shift4 --json pairs.json
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amaranth import Elaboratable, Module, Mux
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from benchmarks.command import start
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import check_writable, write_json
from shiftbook.golden.spec import PRESETS, Spec
from shiftbook.hw.engine.layouts import bank_words, chosen, plane
from shiftbook.synth.flow.measure import Ruler, measure
from shiftbook.synth.flow.weights import load_weights

TWICE = re.compile(r"(shift_lane|requantizer|correction|drain|grid|lookup)(_v\d+)?")
"""Modules of which a pair of output channels needs two; a lookup's taps could serve both."""

DECODERS = re.compile(r"(bit_reader|huffman_decoder)(_v\d+)?")
"""Modules that gaps and codes have one each of: a pair needs three in place of two."""

Json = dict[str, Any]


class CloseRotator(wiring.Component):
    """Lane (r, c) takes the pixel of bank ((r + oy) mod rows, (c + ox) mod cols), of its own or next to it.

    Parameters
    ----------
    spec
        The grid.

    Members
    -------
    banks : In(StructLayout)
        One pixel from each bank, see `hw.engine.layouts.bank_words`.
    offset : In(StructLayout)
        ``moved``: whether oy and ox are not 0, and ``back``: whether they are -1 in place of 1.
    lanes : Out(ArrayLayout)
        One pixel for each lane, in the same cycle.

    Latency
    -------
    None.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        axis = data.StructLayout({"moved": 1, "back": 1})
        super().__init__(
            {
                "banks": In(bank_words(spec)),
                "offset": In(data.StructLayout({"oy": axis, "ox": axis})),
                "lanes": Out(plane(spec)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        rows, cols = self.spec.rows, self.spec.cols
        oy, ox = self.offset.oy, self.offset.ox
        pixels = chosen(self.banks, self.spec)
        grid = [pixels[r * cols : (r + 1) * cols] for r in range(rows)]
        grid = [
            [
                Mux(oy.moved, Mux(oy.back, grid[r - 1][c], grid[(r + 1) % rows][c]), grid[r][c])
                for c in range(cols)
            ]
            for r in range(rows)
        ]
        for r, line in enumerate(grid):
            for c, pixel in enumerate(line):
                near = Mux(ox.back, line[c - 1], line[(c + 1) % cols])
                m.d.comb += self.lanes[r * cols + c].eq(Mux(ox.moved, near, pixel))
        return m


def engines(described: Json, close_ge: float) -> list[Json]:
    """Gates and GE per term of engines with pairs, with close rotators, and with both.

    Parameters
    ----------
    described
        An engine of a gate report.
    close_ge
        Gates of a close rotator.
    """
    modules: Mapping[str, Json] = described["modules"]
    spec = described["spec"]
    terms = spec["rows"] * spec["cols"] * spec["slots"]
    saved = modules["rotator"]["instances"] * (modules["rotator"]["ge"] - close_ge)
    more = sum(m["total_ge"] for name, m in modules.items() if TWICE.fullmatch(name))
    more += sum(m["total_ge"] for name, m in modules.items() if DECODERS.fullmatch(name)) / 2
    return [
        {"engine": name, "terms": pair * terms, "ge": round(ge), "ge_per_term": ge / (pair * terms)}
        for name, pair, ge in (
            ("as it is", 1, described["total_ge"]),
            ("close rotators", 1, described["total_ge"] - saved),
            ("pairs", 2, described["total_ge"] + more),
            ("pairs and close rotators", 2, described["total_ge"] + more - saved),
        )
    ]


def study(report: Json, engine: str) -> Json:
    """Figures of one engine of a gate report.

    Raises
    ------
    ShiftbookError
        The report does not have the engine.
    """
    if engine not in report["engines"]:
        raise ShiftbookError(f"the report has the engines {', '.join(report['engines'])}, not {engine}")
    ruler = Ruler(load_weights())
    measured = measure({"close": lambda: CloseRotator(PRESETS[engine])}, ruler)
    close_ge = measured["close"].gates.cost(ruler.weights)
    described = report["engines"][engine]
    return {
        "engine": engine,
        "rotator_ge": described["modules"]["rotator"]["ge"],
        "close_rotator_ge": round(close_ge, 2),
        "rows": engines(described, close_ge),
    }


def main() -> None:
    """Parse the command line, print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("report", type=Path, help="JSON of shiftbook gates")
    parser.add_argument("--engine", default="shift4", help="one of its engines, on a preset's grid")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    check_writable(options.json, inputs=[options.report])
    result = study(json.loads(options.report.read_text(encoding="utf-8")), options.engine)
    print(f"a rotator {result['rotator_ge']:,.0f} GE, a close one {result['close_rotator_ge']:,.0f} GE")
    for row in result["rows"]:
        print(f"{row['engine']:24} {row['ge']:9,} GE, {row['ge_per_term']:5.0f} per term")
    write_json(options.json, result)


if __name__ == "__main__":
    start(main)
