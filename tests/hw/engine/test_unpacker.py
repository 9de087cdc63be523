from dataclasses import replace

import numpy as np
import pytest

from shiftbook.golden.spec import PRESETS
from shiftbook.hw.engine.unpacker import Unpacker
from shiftbook.sim import bench


@pytest.mark.parametrize("pauses", bench.PAUSES[::3])
def test_halves_of_bytes_in_order(pauses: bench.Pauses) -> None:
    data = np.random.default_rng(1).integers(0, 256, 80, np.uint8).tobytes()
    words = [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
    observed = bench.observe(
        Unpacker(replace(PRESETS["int8"], weight_width=4)),
        inputs={"words": words},
        outputs={"symbols": 2 * len(data)},
        pauses=pauses,
    )
    assert [symbol["weight"] for symbol in observed["symbols"]] == [int(digit, 16) for digit in data.hex()]


@pytest.mark.parametrize("pauses", bench.PAUSES)
@pytest.mark.parametrize("width", [16, 32])
def test_bytes_in_order(width: int, pauses: bench.Pauses) -> None:
    spec = replace(PRESETS["int8"], word_width=width)
    data = np.random.default_rng(0).integers(0, 256, 40 * width // 8, np.uint8).tobytes()
    words = [int.from_bytes(data[i : i + width // 8], "big") for i in range(0, len(data), width // 8)]
    observed = bench.observe(
        Unpacker(spec), inputs={"words": words}, outputs={"symbols": len(data)}, pauses=pauses
    )
    assert [symbol["weight"] for symbol in observed["symbols"]] == list(data)
