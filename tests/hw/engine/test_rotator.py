from dataclasses import replace

import numpy as np
import pytest

from shiftbook.hw.engine.rotator import Rotator
from shiftbook.sim import bench
from tests.hw.benches import Paced
from tests.hw.small import SHIFT


@pytest.mark.parametrize("pauses", bench.PAUSES[::3])
@pytest.mark.parametrize(("rows", "cols"), [(4, 4), (8, 4)])
def test_every_offset(rows: int, cols: int, pauses: bench.Pauses) -> None:
    spec = replace(SHIFT, rows=rows, cols=cols)
    banks = np.random.default_rng(0).integers(0, 256, (rows, cols, rows, cols))
    stimulus, expected = [], []
    for oy, ox in np.ndindex(rows, cols):
        stimulus.append({"banks": banks[oy, ox].ravel().tolist(), "offset": {"oy": oy, "ox": ox}})
        expected.append({"lanes": np.roll(banks[oy, ox], (-oy, -ox), (0, 1)).ravel().tolist()})
    observed = bench.observe(
        Paced(Rotator(spec), {"lanes": 0}),
        inputs={"input": stimulus},
        outputs={"output": len(stimulus)},
        pauses=pauses,
    )
    assert observed["output"] == expected
