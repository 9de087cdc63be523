"""The benchmark of the tensor buffer, and the table of what it measures."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks import tensor_buffer
from benchmarks.tables import buffered
from shiftbook.api.cycles import cycles_of
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import DEFAULT
from shiftbook.golden.storage.checkpoint import load, save
from tests.sim.networks import residuals


def test_rows_and_table(tmp_path, capsys):
    save(residuals(DEFAULT), tmp_path / "net.ckpt", DEFAULT)
    out = tmp_path / "buffer.json"
    tensor_buffer.main(
        [str(tmp_path / "net.ckpt"), "--preset", "shift", "--kib", "0,4,64", "--json", str(out)]
    )
    result = json.loads(out.read_text())
    network = load(tmp_path / "net.ckpt")
    for row in result["rows"]:
        cycles = cycles_of(network, replace(DEFAULT, tensor_kib=row["kib"]))
        assert (row["cycles"], row["moved_bytes"]) == (cycles.total, cycles.moved_bytes)
    none, some, most = result["rows"]
    assert none["stays"] == none["local_bytes"] == 0
    assert none["tensors"] > most["stays"] > some["stays"] > 0
    assert none["moved_bytes"] - most["moved_bytes"] >= most["local_bytes"] > some["local_bytes"]
    assert f"{most['moved_bytes']:12,} bytes moved" in capsys.readouterr().out
    line = buffered([result]).splitlines()[4]
    assert line.startswith(f"| net | 64 | {most['stays']} of {most['tensors']} | {most['moved_bytes']:,} |")
    assert f"| {most['moved_bytes'] / none['moved_bytes']:.3f} |" in line


def test_sizes_that_are_no_numbers():
    with pytest.raises(ShiftbookError, match=r"^--kib must be numbers such as 0,16,32, not 0,x$"):
        tensor_buffer.main(["net.ckpt", "--kib", "0,x"])
