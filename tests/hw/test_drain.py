from dataclasses import replace

import numpy as np
import pytest

from golden.integer import requantize
from golden.network import Requantize
from sim import bench
from tests.hw.benches import DrainBench
from tests.hw.small import SHIFT


@pytest.mark.parametrize("pauses", bench.PAUSES)
@pytest.mark.parametrize("requantizers", [4, 16])
def test_channels(requantizers: int, pauses: bench.Pauses) -> None:
    spec = replace(SHIFT, requantizers=requantizers)
    rng = np.random.default_rng(0)
    count = 30
    heads = rng.integers(-4000, 4000, (count, spec.drain_cycles, requantizers))
    correction = rng.integers(-500, 0, count)
    parameters = Requantize(
        rng.integers(-1000, 1000, count), rng.integers(1, 1024, count), rng.integers(0, 16, count), 9, 3, 250
    )
    modulus = 1 << spec.accumulator_width
    stimulus = [
        {
            "parameters": {
                "bias": int(parameters.bias[i]),
                "multiplier": int(parameters.multiplier[i]),
                "shift": int(parameters.shift[i]),
            },
            "correction": int(correction[i]) % modulus,
            "beats": (heads[i] % modulus).tolist(),
        }
        for i in range(count)
    ]
    sums = np.moveaxis(heads + correction[:, None, None], 0, -1)
    results = np.moveaxis(requantize(sums, parameters), -1, 0).reshape(-1, requantizers)
    observed = bench.observe(
        DrainBench(spec),
        inputs={"channels": stimulus},
        outputs={"output": len(results)},
        constants={"zero_point": 9, "low": 3, "high": 250},
        pauses=pauses,
    )
    assert observed["output"] == [int.from_bytes(bytes(beat), "little") for beat in results.tolist()]
