from dataclasses import replace

import numpy as np
import pytest

from golden.integer import requantize
from golden.network import Requantize
from golden.spec import FRACTION, LEAST_SHIFT, Spec
from sim import bench
from tests.hw.benches import DrainBench
from tests.hw.small import ODD, SHIFT

RESIDUAL_ZERO_POINT = 31


@pytest.mark.parametrize("pauses", bench.PAUSES)
@pytest.mark.parametrize("spec", [SHIFT, ODD, replace(SHIFT, requantizers=2, lane="multiply", feed="dense")])
def test_channels(spec: Spec, pauses: bench.Pauses) -> None:
    rng = np.random.default_rng(0)
    count = 30
    heads = rng.integers(-4000, 4000, (count, spec.drain_cycles, spec.requantizers))
    residuals = rng.integers(0, 256, heads.shape, np.uint8)
    correction = rng.integers(-500, 0, count)
    parameters = Requantize(
        rng.integers(-1000, 1000, count),
        rng.integers(1, 1024, count),
        rng.integers(LEAST_SHIFT, 16, count),
        9,
        3,
        250,
        residual_multiplier=77,
    )
    modulus = 1 << spec.accumulator_width
    stimulus = [
        {
            "parameters": {
                "bias": int(parameters.bias[i]),
                "multiplier": int(parameters.multiplier[i]),
                "shift": int(parameters.shift[i]) - LEAST_SHIFT,
            },
            "correction": int(correction[i]) % modulus,
            "beats": (heads[i] % modulus).tolist(),
            "residuals": residuals[i].tolist(),
        }
        for i in range(count)
    ]
    sums = np.moveaxis(heads + correction[:, None, None], 0, -1)
    added = np.ascontiguousarray(np.moveaxis(residuals, 0, -1))
    results = np.moveaxis(requantize(sums, parameters, added, RESIDUAL_ZERO_POINT), -1, 0)
    beats = results.reshape(-1, spec.requantizers).tolist()
    observed = bench.observe(
        DrainBench(spec),
        inputs={"channels": stimulus},
        outputs={"output": len(beats)},
        constants={
            "offset": 9 * 2**FRACTION + 2 ** (FRACTION - 1) - RESIDUAL_ZERO_POINT * 77,
            "residual_multiplier": 77,
            "low": 3,
            "high": 250,
        },
        pauses=pauses,
    )["output"]
    assert observed == [{"beat": int.from_bytes(bytes(beat), "little"), "wrong": 0} for beat in beats]
