from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from amaranth.sim import Simulator

from benchmarks.pairs import CloseRotator, engines, study
from benchmarks.tables import TABLES
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import DEFAULT
from shiftbook.hw.engine.rotator import Rotator

SPEC = replace(DEFAULT, rows=4, cols=8, requantizers=8)


@pytest.mark.parametrize("oy", [-1, 0, 1])
@pytest.mark.parametrize("ox", [-1, 0, 1])
def test_a_close_rotator_is_a_rotator(oy: int, ox: int) -> None:
    even, odd = np.random.default_rng(0).integers(0, 256, (2, SPEC.lanes)).tolist()
    words = {"even": even, "odd": odd, "choice": 0b10011100}
    found = []
    offsets = [
        {
            name: {"moved": int(value != 0), "back": int(value < 0)}
            for name, value in (("oy", oy), ("ox", ox))
        },
        {"oy": oy % SPEC.rows, "ox": ox % SPEC.cols},
    ]
    for rotator, offset in zip((CloseRotator(SPEC), Rotator(SPEC)), offsets, strict=True):

        async def play(ctx, rotator=rotator, offset=offset) -> None:
            ctx.set(rotator.banks, words)
            ctx.set(rotator.offset, offset)
            await ctx.delay(1e-6)
            found.append([ctx.get(lane) for lane in rotator.lanes])

        simulator = Simulator(rotator)
        simulator.add_testbench(play)
        simulator.run()
    assert found[0] == found[1]


DESCRIBED = {
    "total_ge": 1000.0,
    "spec": {"rows": 2, "cols": 2, "slots": 1},
    "modules": {
        "shift_lane": {"instances": 4, "ge": 100.0, "total_ge": 400.0},
        "rotator": {"instances": 2, "ge": 80.0, "total_ge": 160.0},
        "huffman_decoder_v2": {"instances": 1, "ge": 40.0, "total_ge": 40.0},
        "control": {"instances": 1, "ge": 400.0, "total_ge": 400.0},
    },
}


def test_what_pairs_share_counts_once() -> None:
    rows = engines(DESCRIBED, 50.0)
    assert [row["ge"] for row in rows] == [1000, 940, 1420, 1360]
    assert [row["ge_per_term"] for row in rows] == [250, 235, 177.5, 170]
    text = TABLES["pairs"]([{"rows": rows}])
    assert text.splitlines()[-1] == "| pairs and close rotators | 8 | 1,360 | 170 |"


def test_an_engine_that_is_not_there() -> None:
    with pytest.raises(ShiftbookError, match="has the engines shift, not shift4"):
        study({"engines": {"shift": DESCRIBED}}, "shift4")
