import numpy as np
import pytest

from sim import bench
from tests.hw.benches import BufferBench
from tests.hw.small import SHIFT


@pytest.mark.parametrize("pauses", bench.PAUSES)
def test_nothing_is_lost(pauses: bench.Pauses) -> None:
    beats = np.random.default_rng(0).integers(0, 1 << 32, 50 * SHIFT.drain_cycles).tolist()
    observed = bench.observe(
        BufferBench(SHIFT), inputs={"beats": beats}, outputs={"output": len(beats)}, pauses=pauses
    )
    assert observed["output"] == beats
