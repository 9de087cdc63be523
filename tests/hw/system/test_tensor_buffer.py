"""The tensor buffer, cycle by cycle, against a plain model."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from shiftbook.golden.spec import Spec
from shiftbook.hw.system.tensor_buffer import TensorBuffer
from shiftbook.sim import bench
from tests.hw.benches import Paced
from tests.hw.small import SHIFT

SPECS = {
    "long bursts": replace(SHIFT, tensor_kib=1),
    "few bursts": replace(SHIFT, tensor_kib=1, burst_beats=2, outstanding=3, group_channels=2),
    "wide": replace(SHIFT, tensor_kib=2, bus_bytes=32, requantizers=16),
}

CYCLES = 3000

Item = dict[str, int]


class Model:
    """What the buffer holds, and the burst that it reads."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.words: dict[int, int] = {}
        self.bursts: deque[list[int]] = deque()  # words of each burst that are not read
        self.beat: tuple[int, int] | None = None
        self.written = 0  # beats of the burst that is written

    def step(self, item: Item) -> tuple[int, int | None, int | None]:
        """Whether a beat is offered in this cycle, and which."""
        offered = (0, None, None) if self.beat is None else (1, *self.beat)
        if self.beat is None or item["read__ready"]:
            self.beat = None
            if self.bursts:
                word = self.bursts[0].pop(0)
                self.beat = self.words[word], int(not self.bursts[0])
                if not self.bursts[0]:
                    self.bursts.popleft()
        if item["write"]:
            word = item["word"] + self.written
            kept = sum(
                0xFF << 8 * byte for byte in range(self.spec.bus_bytes) if not item["strb"] >> byte & 1
            )
            self.words[word] = self.words.get(word, 0) & kept | item["data"] & ~kept
            self.written = 0 if item["last"] else self.written + 1
        if item["address__valid"]:
            first = item["address__payload"]["word"]
            self.bursts.append([*range(first, first + item["address__payload"]["more_beats"] + 1)])
        return offered


def place(rng: np.random.Generator, spec: Spec) -> tuple[int, int]:
    """Word and length of a burst, which crosses no multiple of the longest one."""
    word = int(rng.integers(0, spec.tensor_words))
    return word, int(rng.integers(1, spec.burst_beats - word % spec.burst_beats + 1))


def beats_of(rng: np.random.Generator, word: int, length: int, strobe: bool, spec: Spec) -> Iterator[Item]:
    """The beats that are written in a burst."""
    for number in range(length):
        yield {
            "write": 1,
            "word": word,
            "data": int.from_bytes(rng.bytes(spec.bus_bytes), "little"),
            "strb": int.from_bytes(rng.bytes(spec.bus_bytes), "little") % (1 << spec.bus_bytes)
            if strobe
            else (1 << spec.bus_bytes) - 1,
            "last": int(number == length - 1),
        }


def stimulus(spec: Spec, rng: np.random.Generator) -> Iterator[Item]:
    """First every word is written; then bursts of both kinds come, and beats are taken or wait."""
    none = {"write": 0, "word": 0, "data": 0, "strb": 0, "last": 0}
    quiet = {"address__valid": 0, "address__payload": {"word": 0, "more_beats": 0}, "read__ready": 1}
    for word in range(0, spec.tensor_words, spec.burst_beats):
        yield from ({**quiet, **beat} for beat in beats_of(rng, word, spec.burst_beats, False, spec))
    writing: Iterator[Item] = iter(())
    for number in range(CYCLES):
        eager = (0.9, 0.3)[number // 100 % 2]
        beat = none
        if rng.random() < eager:
            beat = next(writing, none)
            if beat is none:
                writing = beats_of(rng, *place(rng, spec), bool(rng.integers(0, 2)), spec)
        word, length = place(rng, spec)
        yield {
            **beat,
            "address__valid": int(rng.random() < eager / 2),
            "address__payload": {"word": word, "more_beats": length - 1},
            "read__ready": int(rng.random() < (0.3, 0.9, 1.0)[number // 150 % 3]),
        }


@pytest.mark.parametrize("name", SPECS)
def test_cycle_by_cycle(name: str) -> None:
    spec = SPECS[name]
    model = Model(spec)
    items, expected, most = [], [], 0
    for item in stimulus(spec, np.random.default_rng(1)):
        under_way = len(model.bursts) + (model.beat is not None)
        if under_way >= spec.outstanding:
            item["address__valid"] = 0
        items.append(item)
        expected.append(model.step(item))
        most = max(most, under_way)
    assert most == spec.outstanding, "the queue is full at times"
    observed = bench.observe(
        Paced(TensorBuffer(spec), dict.fromkeys(("read__valid", "read__payload"), 0)),
        inputs={"input": items},
        outputs={"output": len(items)},
    )["output"]
    found = [
        (each["read__valid"], *(each["read__payload"].values() if each["read__valid"] else (None, None)))
        for each in observed
    ]
    assert found == expected
