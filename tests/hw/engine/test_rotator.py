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
    rng = np.random.default_rng(0)
    stimulus, expected = [], []
    for oy, ox in np.ndindex(rows, cols):
        even, odd = rng.integers(0, 256, (2, rows, cols))
        choice = rng.integers(0, 2, cols)
        banks = {"even": even.ravel().tolist(), "odd": odd.ravel().tolist()}
        banks["choice"] = int(choice @ (1 << np.arange(cols)))
        stimulus.append({"banks": banks, "offset": {"oy": oy, "ox": ox}})
        pixels = np.where(choice, odd, even)
        expected.append({"lanes": np.roll(pixels, (-oy, -ox), (0, 1)).ravel().tolist()})
    observed = bench.observe(
        Paced(Rotator(spec), {"lanes": 0}),
        inputs={"input": stimulus},
        outputs={"output": len(stimulus)},
        pauses=pauses,
    )
    assert observed["output"] == expected
