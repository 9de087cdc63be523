from dataclasses import replace

import pytest

from shiftbook.golden.spec import PRESETS
from shiftbook.hw.engine.booth import Recoder
from shiftbook.sim import bench
from tests.hw.benches import Paced
from tests.hw.rows import lane_row


@pytest.mark.parametrize("width", [4, 8])
def test_every_weight(width: int) -> None:
    weights = range(-(1 << width - 1), 1 << width - 1)
    observed = bench.observe(
        Paced(Recoder(width), {"digits": 0}),
        inputs={"input": [{"weight": weight & (1 << width) - 1} for weight in weights]},
        outputs={"output": len(weights)},
    )["output"]
    spec = replace(PRESETS["int8"], weight_width=width)
    wanted = [lane_row({"weight": weight}, spec) for weight in weights]
    assert [found["digits"] for found in observed] == wanted
