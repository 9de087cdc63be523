import numpy as np
import pytest

from golden.spec import DEFAULT, PRESETS
from sim import bench
from tests.hw.benches import IssuerBench

P = 50
OUTPUTS = 20
TARGETS = {
    str(density): np.flatnonzero(np.random.default_rng(3).random(OUTPUTS * P) < density).tolist()
    for density in (0.005, 0.3, 1.0)
} | {
    "first and last positions": [
        0,
        P - 1,
        P,
        3 * P,
        5 * P,
        7 * P - 1,
        9 * P - 1,
        12 * P,
        14 * P - 1,
        15 * P,
        OUTPUTS * P - 1,
    ]
}
"""Positions that have codes, counted from the first output channel on."""


def rows(targets: list[int], codes: list[dict[str, int]]) -> list[dict[str, int]]:
    """What is issued for codes at these positions, counted from the first output channel on."""
    return [
        {"channel": a // P + 1, "position": a % P, "row": code["first_row"] + number}
        for a, code in zip(targets, codes, strict=True)
        for number in range(code["more_rows"] + 1)
    ]


def random_codes(count: int, rng: np.random.Generator) -> list[dict[str, int]]:
    return [
        {"more_rows": int(rng.integers(0, 4)), "first_row": int(rng.integers(0, 1000)), "bad": 0}
        for _ in range(count)
    ]


@pytest.mark.parametrize("pauses", bench.PAUSES[::3])
@pytest.mark.parametrize("name", TARGETS)
def test_sparse(name: str, pauses: bench.Pauses) -> None:
    rng = np.random.default_rng(3)
    targets = TARGETS[name]
    codes = random_codes(len(targets), rng)
    gaps, following = [], 0
    for target in [*targets, None]:
        end = OUTPUTS * P if target is None else target
        while end - following >= (1 if target is None else DEFAULT.escape_gap):
            gaps.append(DEFAULT.escape_gap)
            following += DEFAULT.escape_gap
        if target is not None:
            gaps.append(target - following)
            following = target + 1
    observed = bench.observe(
        IssuerBench(DEFAULT, OUTPUTS),
        inputs={"gaps": [{"gap": gap, "bad": 0} for gap in gaps], "codes": codes},
        outputs={"issued": len(rows(targets, codes))},
        constants={"positions": P, "gapless": 0},
        pauses=pauses,
    )
    assert observed["issued"] == rows(targets, codes)


@pytest.mark.parametrize("pauses", bench.PAUSES[::3])
def test_gapless(pauses: bench.Pauses) -> None:
    codes = random_codes(P * OUTPUTS, np.random.default_rng(4))
    expected = rows(list(range(P * OUTPUTS)), codes)
    observed = bench.observe(
        IssuerBench(DEFAULT, OUTPUTS),
        inputs={"gaps": [], "codes": codes},
        outputs={"issued": len(expected)},
        constants={"positions": P, "gapless": 1},
        pauses=pauses,
    )
    assert observed["issued"] == expected


@pytest.mark.parametrize("pauses", bench.PAUSES[::3])
def test_dense(pauses: bench.Pauses) -> None:
    weights = np.random.default_rng(5).integers(0, 256, P * OUTPUTS).tolist()
    observed = bench.observe(
        IssuerBench(PRESETS["int8"], OUTPUTS),
        inputs={"codes": [{"weight": weight} for weight in weights]},
        outputs={"issued": len(weights)},
        constants={"positions": P},
        pauses=pauses,
    )
    assert observed["issued"] == [
        {"channel": a // P + 1, "position": a % P, "row": weight} for a, weight in enumerate(weights)
    ]
