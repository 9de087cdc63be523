"""The harness's files, byte by byte, and its text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from golden.errors import ShiftbookError
from golden.spec import DEFAULT
from golden.tiles import TileWords
from sim import harness
from sim.program import Program

SPEC = replace(DEFAULT, rows=2, cols=2, slots=1, requantizers=2, word_width=24)


def words(*values: int) -> np.ndarray:
    return np.array(values, np.uint32)


PROGRAM = Program(
    address=np.array([0x5001], np.uint16),
    data=words(0xDEADBEEF),
    gaps=(words(0x123456),),
    codes=(words(0xABCDEF, 0x000001),),
    channels=np.array([0x1122334455], np.uint64),
)
TILE = TileWords(np.array([7]), np.array([1]), np.array([[1, 2, 3, 4]], np.uint8))


def test_layer_file(tmp_path: Path) -> None:
    path = tmp_path / "layer.bin"
    harness.write_layer(path, SPEC, PROGRAM, [TILE])
    want = (
        "00000001 00005001 deadbeef"  # configuration
        "00000001 123456  00000002 abcdef 000001  00000001 1122334455"  # streams, 39-bit channel words
        "00000001 00000001 00000001 00000007 04030201"  # one tile of one word
    )
    assert path.read_bytes() == bytes.fromhex(want)


def test_stream_beyond_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "WORD_DEPTH", 1)
    with pytest.raises(ShiftbookError, match="a stream has 2 words; the simulation's memory holds 1"):
        harness.write_layer(tmp_path / "layer.bin", SPEC, PROGRAM, [TILE])


def test_beats_are_padded_to_whole_words(tmp_path: Path) -> None:
    path = tmp_path / "outputs.bin"
    np.array([0x0000BBAA, 0x0000DDCC], np.uint32).tofile(path)
    assert harness.read_beats(path, SPEC).tolist() == [[0xAA, 0xBB], [0xCC, 0xDD]]


def test_counters(tmp_path: Path) -> None:
    path = tmp_path / "counters.bin"
    np.arange(10, dtype=np.uint32).tofile(path)
    counters = harness.read_counters(path)
    assert counters.cycles.tolist() == [0, 5]
    assert counters.beats.tolist() == [4, 9]
