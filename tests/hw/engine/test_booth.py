from shiftbook.golden.spec import PRESETS
from shiftbook.hw.engine.booth import Recoder
from shiftbook.sim import bench
from tests.hw.benches import Paced
from tests.hw.rows import lane_row


def test_every_weight() -> None:
    weights = range(-128, 128)
    observed = bench.observe(
        Paced(Recoder(), {"digits": 0}),
        inputs={"input": [{"weight": weight & 255} for weight in weights]},
        outputs={"output": len(weights)},
    )["output"]
    wanted = [lane_row({"weight": weight}, PRESETS["int8"]) for weight in weights]
    assert [found["digits"] for found in observed] == wanted
