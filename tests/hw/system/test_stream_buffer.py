from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shiftbook.hw.system.stream_buffer import StreamBuffer
from shiftbook.sim import bench
from tests.hw.benches import Paced
from tests.hw.small import SHIFT
from tests.hw.system.benches.stream_buffer import StreamBench


@pytest.mark.parametrize("pauses", bench.PAUSES)
@pytest.mark.parametrize(("word_width", "bus_bytes"), [(16, 8), (64, 8), (32, 16)])
def test_passes(word_width: int, bus_bytes: int, pauses: bench.Pauses) -> None:
    """Passes that are read to their end or in part, longer and shorter than the buffer; and kept ones."""
    spec = replace(SHIFT, bus_bytes=bus_bytes)
    rng = np.random.default_rng(0)
    parts = 8 * bus_bytes // word_width
    inputs: dict[str, list[object]] = {"keeps": [], "bursts": [], "beats": [], "passes": []}
    expected, dropped, drops = [], [], 0
    for layer, keep in enumerate((0, 1, 0, 1, 1, 0, 0), start=1):
        count = int(rng.integers(2, 8))
        longest = spec.buffer_beats if keep else 3 * spec.buffer_beats
        lengths = rng.integers(1, [2, longest + 1][layer % 3 > 0], count).tolist()
        lengths[0] = spec.buffer_beats if keep and layer == 4 else lengths[0]
        passes = [rng.integers(0, 1 << word_width, length * parts, np.uint64).tolist() for length in lengths]
        if keep:
            passes = passes[:1] * count
        inputs["keeps"].append(keep)
        for words in passes[:1] if keep else passes:
            beats = [pack(words[i : i + parts], word_width) for i in range(0, len(words), parts)]
            inputs["beats"] += [
                {"data": beat, "last": int(i == len(beats) - 1)} for i, beat in enumerate(beats)
            ]
            for first in range(0, len(beats), spec.burst_beats):
                burst = min(spec.burst_beats, len(beats) - first)
                inputs["bursts"].append({"beats": burst, "layer": layer})
        for words in passes:
            take = len(words) if rng.random() < 0.5 else int(rng.integers(1, len(words) + 1))
            whole, linger = int(take == len(words)), int(rng.integers(0, 16))
            inputs["passes"].append({"take": take, "linger": linger, "whole": whole, "layer": layer})
            expected += words[:take]
            dropped += [drops] * take
            drops += max(0, len(words) // parts - take // parts - 1)
    observed = bench.observe(
        StreamBench(spec, word_width),
        inputs=inputs,
        outputs={"words": len(expected)},
        pauses=pauses,
    )["words"]
    assert [item["word"] for item in observed] == expected
    assert not any(item["wrong"] for item in observed)
    assert [item["dropped"] for item in observed] == dropped
    assert dropped[-1] > 0


def test_a_pass_that_is_kept_must_fit() -> None:
    beat = dict.fromkeys(("clear", "reserve", "data", "last", "start", "stop", "words__ready"), 0)
    beat |= {"write": 1, "keep": 1}
    stimulus = [beat] * (SHIFT.buffer_beats + 1)
    observed = bench.observe(
        Paced(StreamBuffer(SHIFT, 16), {"too_long": 0}),
        inputs={"input": stimulus},
        outputs={"output": len(stimulus)},
    )["output"]
    assert [item["too_long"] for item in observed] == [0] * SHIFT.buffer_beats + [1]


def pack(words: list[int], width: int) -> int:
    """A beat: its first word is the least significant."""
    return sum(word << width * number for number, word in enumerate(words))
