import numpy as np
import pytest

from shiftbook.golden.spec import Spec
from shiftbook.hw.engine.lane import make_lane
from shiftbook.sim import bench
from tests.hw.benches import Paced
from tests.hw.rows import correction, factor, lane_row, nothing, random_row, unit
from tests.hw.small import small

SPECS = [small("shift"), small("two_term", slots=3), small("focused", slots=1), small("int8_sparse")]
SPECS.append(small("int8_sparse", weight_width=4))
NAMES = ["shift", "two_term", "focused", "multiply", "multiply by 4 bits"]


@pytest.mark.parametrize("pauses", bench.PAUSES[::3])
@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
def test_sums(spec: Spec, pauses: bench.Pauses) -> None:
    rng = np.random.default_rng(0)
    modulus = 1 << spec.accumulator_width
    stimulus, expected, total = [], [], None
    for _ in range(400):
        pixels = rng.integers(0, 256, spec.slots).tolist()
        rows = [random_row(spec, rng) for _ in pixels]
        start, above = int(rng.random() < 0.05), int(rng.integers(0, modulus))
        told = [lane_row(row, spec) for row in rows]
        stimulus.append({"pixels": pixels, "rows": told, "start": start, "fold": 0, "above": above})
        expected.append(total if start else above)
        if start or total is not None:
            added = sum(x * factor(row, spec) for x, row in zip(pixels, rows, strict=True))
            total = ((0 if start else total) + added - correction(rows, spec)) % modulus
    compare(spec, stimulus, expected, pauses)


@pytest.mark.parametrize("pauses", bench.PAUSES[::3])
@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
def test_maxima(spec: Spec, pauses: bench.Pauses) -> None:
    """Pixels that grow, fall, are equal, 0 and 255; with cycles between in which nothing is issued."""
    rng = np.random.default_rng(1)
    idle = [nothing(spec)] * spec.slots
    stimulus, expected = [], []
    largest = None
    for _ in range(60):
        taken = rng.choice([0, 1, 127, 128, 254, 255, int(rng.integers(0, 256))], int(rng.integers(0, 6)))
        started = False
        for pixel in taken.tolist():
            for sign in (None, -1, None, 1):
                if sign is None and rng.random() < 0.6:
                    continue
                pixels = [pixel, *rng.integers(0, 256, spec.slots - 1).tolist()]
                rows = idle if sign is None else [unit(sign, spec), *idle[1:]]
                stimulus.append(
                    {
                        "pixels": pixels,
                        "rows": [lane_row(row, spec) for row in rows],
                        "start": int(not started),
                        "fold": int(sign == 1),
                        "above": 7,
                    }
                )
                expected.append(7 if started else largest)
                started = True
        if started:
            largest = max(taken.tolist())
    assert len({want for want in expected if want is not None}) > 5
    compare(spec, stimulus, expected, pauses)


def compare(
    spec: Spec, stimulus: list[dict[str, object]], expected: list[int | None], pauses: bench.Pauses
) -> None:
    observed = bench.observe(
        Paced(make_lane(spec), {"shadow": 2}, late=dict.fromkeys(("start", "fold", "above"), 1)),
        inputs={"input": stimulus},
        outputs={"output": len(stimulus)},
        pauses=pauses,
    )["output"]
    pairs = [(got["shadow"], want) for got, want in zip(observed, expected, strict=True) if want is not None]
    assert [got for got, _ in pairs] == [want for _, want in pairs]
