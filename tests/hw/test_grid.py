import numpy as np
import pytest

from sim import bench
from tests.hw.benches import GridBench
from tests.hw.rows import factor, random_row
from tests.hw.small import small


@pytest.mark.parametrize("pauses", bench.PAUSES)
@pytest.mark.parametrize("preset", ["pair", "int8_sparse"])
def test_channels_drain_in_order(preset: str, pauses: bench.Pauses) -> None:
    spec = small(preset)
    rng = np.random.default_rng(0)
    sums = []
    stimulus = []
    for _ in range(12):
        total = np.zeros(spec.lanes, np.int64)
        for cycle in range(int(rng.integers(1, 9))):
            pixels = rng.integers(0, 256, (spec.slots, spec.lanes))
            rows = [random_row(spec, rng) for _ in range(spec.slots)]
            total += sum(x * factor(row, spec) for x, row in zip(pixels, rows, strict=True))
            stimulus.append({"pixels": pixels.tolist(), "rows": rows, "start": int(cycle == 0)})
        sums.append(total % (1 << spec.accumulator_width))
    beats = [
        channel.reshape(spec.requantizers, spec.drain_cycles)[:, beat].tolist()
        for channel in sums[:-1]  # nothing ends the last one
        for beat in range(spec.drain_cycles)
    ]
    observed = bench.observe(
        GridBench(spec),
        inputs={"input": stimulus},
        outputs={"beats": spec.drain_cycles + len(beats)},
        pauses=pauses,
    )["beats"]
    assert observed[spec.drain_cycles :] == beats  # what was there before the first start does not matter
