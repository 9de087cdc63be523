import numpy as np
import pytest

from shiftbook.golden.spec import Spec
from shiftbook.sim import bench
from tests.hw.benches import grid_bench
from tests.hw.rows import factor, nothing, random_row, unit
from tests.hw.small import small

PRESETS = ("shift", "two_term", "int8_sparse")


@pytest.mark.parametrize("pauses", bench.PAUSES)
@pytest.mark.parametrize("preset", PRESETS)
def test_channels_drain_in_order(preset: str, pauses: bench.Pauses) -> None:
    spec = small(preset, requantizers=2)
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
    compare(spec, stimulus, sums, 0, pauses)


@pytest.mark.parametrize("pauses", bench.PAUSES[::3])
@pytest.mark.parametrize("preset", PRESETS)
def test_maximum(preset: str, pauses: bench.Pauses) -> None:
    spec = small(preset, rows=3, cols=5, requantizers=5)
    rng = np.random.default_rng(1)
    idle = [nothing(spec)] * spec.slots
    channels, stimulus = [], []
    for _ in range(12):
        begin = len(stimulus)
        taps = rng.integers(0, 256, (int(rng.integers(1, 6)), spec.lanes))
        for plane in taps:
            for sign in (-1, None, 1):
                if sign is None and rng.random() < 0.6:
                    continue
                others = rng.integers(0, 256, (spec.slots - 1, spec.lanes)).tolist()
                rows = idle if sign is None else [unit(sign, spec), *idle[1:]]
                stimulus.append({"pixels": [plane.tolist(), *others], "rows": rows, "start": 0})
        stimulus[begin]["start"] = 1
        channels.append(taps.max(axis=0))
    compare(spec, stimulus, channels, 1, pauses)


def compare(
    spec: Spec,
    stimulus: list[dict[str, object]],
    channels: list[np.ndarray],
    maximum: int,
    pauses: bench.Pauses,
) -> None:
    """Of each channel but the last, which nothing ends, lane j * requantizers + q is element q of beat j."""
    beats = np.concatenate(channels[:-1]).reshape(-1, spec.requantizers).tolist()
    observed = bench.observe(
        grid_bench(spec),
        inputs={"input": stimulus},
        outputs={"beats": spec.drain_cycles + len(beats)},
        constants={"maximum": maximum},
        pauses=pauses,
    )["beats"]
    assert observed[spec.drain_cycles :] == beats  # what was there before the first start does not matter
