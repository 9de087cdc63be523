from dataclasses import replace
from fractions import Fraction
from math import floor

import numpy as np
import pytest

from shiftbook.golden.spec import DEFAULT, FRACTION, LEAST_SHIFT, PARTIAL_BYTES, PARTIAL_WIDTH
from shiftbook.hw.engine.requantizer import Requantizer
from shiftbook.sim import bench
from tests.hw.benches import Paced

Case = dict[str, int]


def cases(width: int, multiplier_width: int, shift_width: int) -> list[Case]:
    """Random ones of every size, and sums whose outputs lie at a rounding boundary."""
    rng = np.random.default_rng(0)

    def draw(high: int) -> int:
        return int(rng.integers(0, high))

    result = []
    for number in range(2000):
        bound = 1 << int(rng.integers(1, width))
        low, high = sorted(rng.integers(0, 256, 2).tolist())
        case = {
            "total": int(rng.integers(-bound, bound)),
            "multiplier": draw(1 << multiplier_width),
            "shift": draw(1 << shift_width),
            "residual": draw(256),
            "residual_multiplier": 0 if number % 3 == 0 else draw(1024),
            "zero_point": draw(256),
            "residual_zero_point": draw(256),
            "low": low,
            "high": high,
        }
        if number % 2 and case["multiplier"]:  # close to where the next output begins
            others = exact({**case, "total": 0})
            wanted = (draw(256) - others) * 2 ** (case["shift"] + LEAST_SHIFT) / case["multiplier"]
            case["total"] = min(max(floor(wanted) + draw(3) - 1, -bound), bound - 1)
        bias = int(rng.integers(-bound, bound))
        case["bias"] = bias if abs(case["total"] - bias) < 1 << width - 1 else 0
        case["partial"] = 0 if number % 3 else draw(1 << PARTIAL_WIDTH)
        result.append(case)
    return result


def exact(case: Case) -> Fraction:
    """The output before it is rounded down and clamped: a half is in it."""
    scaled = Fraction(case["total"] * case["multiplier"], 2 ** (case["shift"] + LEAST_SHIFT))
    added = Fraction(
        (case["residual"] - case["residual_zero_point"]) * case["residual_multiplier"], 2**FRACTION
    )
    return scaled + added + case["zero_point"] + Fraction(1, 2)


def golden(case: Case) -> int:
    return min(max(floor(exact(case)), case["low"]), case["high"])


def item(case: Case, width: int) -> dict[str, int]:
    """The ports."""
    same = ("multiplier", "shift", "residual", "residual_multiplier", "low", "high")
    moved = case["residual_zero_point"] * case["residual_multiplier"]
    return {
        **{name: case[name] for name in same},
        "accumulator": (case["total"] - case["bias"] - case["partial"]) % (1 << width),
        "partial": case["partial"],
        "partial_out": 0,
        "byte": 0,
        "bias": case["bias"] % (1 << width),
        "offset": case["zero_point"] * 2**FRACTION + 2 ** (FRACTION - 1) - moved,
    }


LATE = {
    **dict.fromkeys(("multiplier", "residual"), Requantizer.MULTIPLIES),
    **dict.fromkeys(("shift", "byte", "residual_multiplier"), Requantizer.SHIFTS),
    **dict.fromkeys(("offset", "low", "high"), Requantizer.LATENCY),
}
LATENCY = {"result": Requantizer.LATENCY}


@pytest.mark.parametrize("pauses", bench.PAUSES[::3])
@pytest.mark.parametrize(("width", "multiplier_width", "shift_width"), [(24, 10, 5), (20, 9, 4), (32, 16, 6)])
def test_every_boundary(width: int, multiplier_width: int, shift_width: int, pauses: bench.Pauses) -> None:
    spec = replace(
        DEFAULT, accumulator_width=width, multiplier_width=multiplier_width, shift_width=shift_width
    )
    stimulus = cases(width, multiplier_width, shift_width)
    expected = [golden(case) for case in stimulus]
    assert len(set(expected)) > 200
    observed = bench.observe(
        Paced(Requantizer(spec), LATENCY, late=LATE),
        inputs={"input": [item(case, width) for case in stimulus]},
        outputs={"output": len(stimulus)},
        pauses=pauses,
    )["output"]
    assert [item["result"] for item in observed] == expected


@pytest.mark.parametrize("width", [16, 24])
def test_bytes_of_partial_sums(width: int) -> None:
    spec = replace(DEFAULT, accumulator_width=width)
    stimulus = [
        {**item({**case, "multiplier": 1, "residual_multiplier": 1}, width), "partial_out": 1, "byte": byte}
        for case in cases(width, 10, 5)[:400]
        for byte in range(PARTIAL_BYTES)
    ]
    observed = bench.observe(
        Paced(Requantizer(spec), LATENCY, late=LATE, steady=("partial_out",)),
        inputs={"input": stimulus},
        outputs={"output": len(stimulus)},
        pauses=bench.PAUSES[0],
    )["output"]
    found = np.array([item["result"] for item in observed]).reshape(-1, PARTIAL_BYTES)
    sums = found[:, :3] @ (1 << 8 * np.arange(3))
    kept = stimulus[::PARTIAL_BYTES]
    totals = [case["accumulator"] + case["bias"] + case["partial"] for case in kept]
    assert (sums % (1 << width)).tolist() == [total % (1 << width) for total in totals]
    assert found[:, 3].tolist() == [case["residual"] for case in kept]
