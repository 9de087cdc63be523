from dataclasses import replace

import numpy as np
import pytest

from shiftbook.golden.spec import DEFAULT
from shiftbook.sim import bench
from tests.hw.benches import ReaderBench


@pytest.mark.parametrize("pauses", bench.PAUSES)
@pytest.mark.parametrize("width", [16, 32])
def test_windows(width: int, pauses: bench.Pauses) -> None:
    spec = replace(DEFAULT, word_width=width)
    rng = np.random.default_rng(0)
    words = rng.integers(0, 1 << width, 100)
    bits = "".join(f"{word:0{width}b}" for word in words)
    lengths = rng.choice([1, 3, 12], 150).tolist()
    starts = np.cumsum([0, *lengths[:-1]])
    windows = [int(bits[start : start + spec.code_length], 2) for start in starts]
    # a driver sends two words more than those that are used up
    words = words[: sum(lengths) // width + 2]
    observed = bench.observe(
        ReaderBench(spec),
        inputs={"words": words.tolist(), "lengths": lengths},
        outputs={"windows": len(windows)},
        pauses=pauses,
    )
    assert observed["windows"] == windows
