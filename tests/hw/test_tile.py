import numpy as np
import pytest

from hw.tile import Tile
from sim import bench
from tests.hw.benches import Paced
from tests.hw.small import SHIFT


@pytest.mark.parametrize("pauses", bench.PAUSES)
def test_sub_blocks(pauses: bench.Pauses) -> None:
    rng = np.random.default_rng(0)
    lanes, rows, cols = SHIFT.lanes, SHIFT.rows, SHIFT.cols
    words = rng.integers(0, 256, (SHIFT.tile_words, rows, cols))
    stimulus, expected = [], []
    for address, word in enumerate(words):
        stimulus.append({"write": 1, "write_address": address, "data": word.ravel().tolist()})
    for _ in range(200):
        oy, ox = rng.integers(0, 4, 2).tolist()
        address = int(rng.integers(0, SHIFT.tile_words // 4)) * 4
        stimulus.append({"address": address, "offset": {"oy": oy, "ox": ox}})
        expected.append(
            [
                int(words[address + 2 * (row < oy) + (col < ox), row, col])
                for row in range(rows)
                for col in range(cols)
            ]
        )
    blank = {
        "write": 0,
        "write_address": 0,
        "data": [0] * lanes,
        "address": 0,
        "offset": {"oy": 0, "ox": 0},
    }
    observed = bench.observe(
        Paced(Tile(SHIFT), {"pixels": 1}),
        inputs={"input": [blank | item for item in stimulus]},
        outputs={"output": len(stimulus)},
        pauses=pauses,
    )["output"]
    assert [item["pixels"] for item in observed[len(words) :]] == expected
