"""Files that are damaged, foreign or of another version: each is one clear line."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save as safetensors_bytes

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.network import Network
from shiftbook.golden.storage import checkpoint
from shiftbook.golden.storage.checkpoint import KEY, load, serialize
from tests.golden.checkpoints import network, refused, same


def test_refuses_what_cannot_be_read(path):
    assert refused(path).startswith(f"cannot read {path}: No such file")
    path.mkdir()
    assert str(path) in refused(path)


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04" + bytes(100), b"\x80\x04\x95", b"{}", bytes(8), b"\xff" * 64]
)
def test_refuses_foreign_files(path, data):
    assert refused(path, data).startswith(f"{path} is no shiftbook checkpoint, or a truncated or damaged one")


def test_refuses_foreign_safetensors(path):
    message = f"{path} is a safetensors file, but no shiftbook checkpoint: make one with compress"
    for metadata in (None, {"format": "pt"}):
        data = safetensors_bytes({"a": np.zeros(3, np.float32)}, metadata=metadata)
        assert refused(path, data) == message


def test_refuses_truncation_at_any_length(path):
    data = serialize(network())
    for length in [*range(0, len(data), 97), len(data) - 1]:
        refused(path, data[:length])
    refused(path, data + b"\0")


def with_metadata(text: str) -> bytes:
    return safetensors_bytes({name: np.frombuffer(b"", np.uint8) for name in ()}, metadata={KEY: text})


@pytest.mark.parametrize("version", ["4", "10", "999999999"])
def test_refuses_newer_versions(path, version):
    assert (
        refused(path, with_metadata(f"{version} whatever"))
        == f"{path} has checkpoint format {version}, newer than 3: update shiftbook"
    )


def test_refuses_the_first_version(path):
    message = f"{path} has checkpoint format 1, older than 3: make it again"
    assert refused(path, with_metadata("1 abc {}")) == message


@pytest.mark.parametrize(
    "text", ["", "3", "2 abc {}", "0 a b", "-1 a b", "x a b", "3 abc {}", "²  {}", "9" * 5000 + " a b"]
)
def test_refuses_a_graph_without_its_checksum(path, text):
    assert refused(path, with_metadata(text)) == f"{path} is damaged: the checksum of its graph is wrong"


def text_with_checksum(text: str) -> bytes:
    return with_metadata(f"3 {checkpoint._sha256(text.encode())} {text}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "its graph is no JSON"),
        ('{"a": NaN}', "its graph is no JSON"),
        ("[" * 100_000, "its graph is no JSON"),
        ("[]", "its graph is no JSON object"),
        ("{}", "it has no checksums"),
        ('{"sha256": {}}', "coding must be an object, not None"),
    ],
)
def test_refuses_a_graph_that_is_none(path, text, message):
    assert refused(path, text_with_checksum(text)).startswith(f"{path} is no valid checkpoint: {message}")


def test_refuses_any_flipped_bit_or_reads_the_same(path):
    """Every 37th bit of a whole file, and all of its first bytes."""
    saved = network()
    data = serialize(saved)
    for bit in [*range(256), *range(256, 8 * len(data), 37)]:
        damaged = bytearray(data)
        damaged[bit // 8] ^= 0x80 >> bit % 8
        refused_or_same(path, bytes(damaged), saved)


def refused_or_same(path, data: bytes, saved: Network) -> None:
    path.write_bytes(data)
    try:
        loaded = load(path)
    except ShiftbookError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert same(loaded, saved)


@given(st.integers(0, 1 << 30))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_corruption_is_refused_or_harmless(path, seed):
    """Flips, overwritten runs, insertions, deletions and swaps of blocks."""
    saved = network()
    data = bytearray(serialize(saved))
    rng = random.Random(seed)
    for _ in range(rng.choice([1, 1, 2, 5])):
        at, size = rng.randrange(len(data)), rng.choice([1, 1, 4, 64, 1000])
        kind = rng.randrange(4)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at : at + size] = rng.randbytes(len(data[at : at + size]))
        elif kind == 2:
            data[at:at] = rng.randbytes(size)
        else:
            del data[at : at + size]
    refused_or_same(path, bytes(data), saved)
