from dataclasses import replace

import numpy as np
import pytest

from golden.integer import requantize
from golden.network import Requantize
from golden.spec import DEFAULT
from hw.requantizer import Requantizer
from sim import bench
from tests.hw.benches import Paced


def cases(width: int, shift_width: int) -> list[dict[str, int]]:
    """Random ones of every size, and the sums whose outputs lie at a rounding boundary."""
    rng = np.random.default_rng(0)
    result = []
    for number in range(1500):
        bound = 1 << int(rng.integers(1, width))
        low, high = sorted(rng.integers(0, 256, 2).tolist())
        multiplier, shift = int(rng.integers(0, 1024)), int(rng.integers(0, 1 << shift_width))
        total = int(rng.integers(-bound, bound))
        if number % 2 and multiplier:  # close to (k + 1/2) 2^shift
            total = int((rng.integers(-300, 300) + 0.5) * 2**shift / multiplier) + int(rng.integers(-1, 2))
            total = min(max(total, -bound), bound - 1)
        bias = int(rng.integers(-bound, bound))
        bias = bias if abs(total - bias) < 1 << width - 1 else 0
        result.append(
            {
                "accumulator": (total - bias) % (1 << width),
                "bias": bias % (1 << width),
                "multiplier": multiplier,
                "shift": shift,
                "zero_point": int(rng.integers(0, 256)),
                "low": low,
                "high": high,
            }
        )
    return result


def golden(case: dict[str, int], width: int) -> int:
    total = (case["accumulator"] + case["bias"]) % (1 << width)
    total -= total >> width - 1 << width
    parameters = Requantize(
        np.zeros(1, np.int64),
        np.array([case["multiplier"]]),
        np.array([case["shift"]]),
        case["zero_point"],
        case["low"],
        case["high"],
    )
    return int(requantize(np.array([total]), parameters)[0])


@pytest.mark.parametrize("pauses", bench.PAUSES[::3])
@pytest.mark.parametrize(("width", "shift_width"), [(24, 5), (20, 4)])
def test_every_boundary(width: int, shift_width: int, pauses: bench.Pauses) -> None:
    spec = replace(DEFAULT, accumulator_width=width, shift_width=shift_width)
    stimulus = cases(width, shift_width)
    constants = ("shift", "zero_point", "low", "high")
    observed = bench.observe(
        Paced(Requantizer(spec), {"result": 1}, late=dict.fromkeys(constants, 1)),
        inputs={"input": stimulus},
        outputs={"output": len(stimulus)},
        pauses=pauses,
    )["output"]
    assert [item["result"] for item in observed] == [golden(case, width) for case in stimulus]
