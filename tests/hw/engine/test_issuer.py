import numpy as np
import pytest

from shiftbook.golden.spec import DEFAULT, PRESETS
from shiftbook.sim import bench
from tests.hw.benches import issuer_bench

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


CASES = {name: (targets, 1, 1) for name, targets in TARGETS.items()} | {
    "many codes": (TARGETS["0.3"], 1, 4),
    "vectors": (TARGETS["0.3"], 5, 2),
    "adjacent vectors": (TARGETS["1.0"], 16, 3),
}
"""Positions where an item may lie, the step from item to item, and the most codes of an item."""

Code = dict[str, int]


def rows(targets: list[int], items: list[list[Code]]) -> list[dict[str, int]]:
    """What is issued for items at these positions, counted from the first output channel on."""
    return [
        {"channel": a // P + 1, "position": a % P, "row": code["first_row"] + number}
        for a, item in zip(targets, items, strict=True)
        for code in item
        for number in range(code["more_rows"] + 1)
    ]


def random_items(count: int, most: int, rng: np.random.Generator) -> list[list[Code]]:
    """Items of 1 to ``most`` codes of 1 to 32 rows."""

    def code(last: bool) -> Code:
        more_rows = int(rng.choice([0, 1, 2, 3, 31], p=[0.4, 0.3, 0.18, 0.1, 0.02]))
        return {"more_rows": more_rows, "first_row": int(rng.integers(0, 8160)), "last": int(last), "bad": 0}

    sizes = rng.integers(1, most + 1, count)
    return [[code(number == size - 1) for number in range(size)] for size in sizes]


def apart(targets: list[int], step: int) -> list[int]:
    """Of these positions those at which an item can begin: no earlier one covers them."""
    kept = []
    for target in targets:
        if not kept or target >= kept[-1] + step:
            kept.append(target)
    return kept


def gaps_to(targets: list[int], step: int) -> list[int]:
    """Gap symbols that lead to these items, and then to the end."""
    gaps, following = [], 0
    for target in [*targets, None]:
        end = OUTPUTS * P if target is None else target
        while end - following >= (1 if target is None else DEFAULT.escape_gap):
            gaps.append(DEFAULT.escape_gap)
            following += DEFAULT.escape_gap
        if target is not None:
            gaps.append(target - following)
            following = target + step
    return gaps


@pytest.mark.parametrize("pauses", bench.PAUSES[::3])
@pytest.mark.parametrize("name", CASES)
def test_sparse(name: str, pauses: bench.Pauses) -> None:
    rng = np.random.default_rng(3)
    possible, step, most = CASES[name]
    targets = apart(possible, step)
    items = random_items(len(targets), most, rng)
    expected = rows(targets, items)
    observed = bench.observe(
        issuer_bench(DEFAULT, OUTPUTS),
        inputs={
            "gaps": [{"gap": gap, "bad": 0} for gap in gaps_to(targets, step)],
            "codes": [code for item in items for code in item],
        },
        outputs={"issued": len(expected)},
        constants={"positions": P, "gapless": 0, "step": step},
        pauses=pauses,
    )
    assert observed["issued"] == expected


@pytest.mark.parametrize("pauses", bench.PAUSES[::3])
@pytest.mark.parametrize(("step", "most"), [(1, 1), (3, 2), (16, 4)])
def test_gapless(step: int, most: int, pauses: bench.Pauses) -> None:
    targets = list(range(0, P * OUTPUTS, step))
    items = random_items(len(targets), most, np.random.default_rng(4))
    expected = rows(targets, items)
    observed = bench.observe(
        issuer_bench(DEFAULT, OUTPUTS),
        inputs={"gaps": [], "codes": [code for item in items for code in item]},
        outputs={"issued": len(expected)},
        constants={"positions": P, "gapless": 1, "step": step},
        pauses=pauses,
    )
    assert observed["issued"] == expected


@pytest.mark.parametrize("pauses", bench.PAUSES[::3])
def test_dense(pauses: bench.Pauses) -> None:
    weights = np.random.default_rng(5).integers(0, 256, P * OUTPUTS).tolist()
    observed = bench.observe(
        issuer_bench(PRESETS["int8"], OUTPUTS),
        inputs={"codes": [{"weight": weight} for weight in weights]},
        outputs={"issued": len(weights)},
        constants={"positions": P},
        pauses=pauses,
    )
    assert observed["issued"] == [
        {"channel": a // P + 1, "position": a % P, "row": weight} for a, weight in enumerate(weights)
    ]
