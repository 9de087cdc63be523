"""The benchmark of batches, and the table of what it measures."""

from __future__ import annotations

import json

import pytest

from benchmarks import batches
from benchmarks.tables import batched
from shiftbook.api.cycles import cycles_of
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import DEFAULT
from shiftbook.golden.storage.checkpoint import load, save
from tests.sim.test_batches import heads


def test_rows_and_table(tmp_path, capsys):
    save(heads(DEFAULT), tmp_path / "heads.ckpt", DEFAULT)
    out = tmp_path / "batches.json"
    batches.main([str(tmp_path / "heads.ckpt"), "--preset", "shift", "--batch", "1,5", "--json", str(out)])
    result = json.loads(out.read_text())
    network = load(tmp_path / "heads.ckpt")
    assert [row["cycles"] for row in result["rows"]] == [
        cycles_of(network, DEFAULT, count).total for count in (1, 5)
    ]
    alone, together = result["rows"]
    assert together["cycles_per_image"] == together["cycles"] / 5 < alone["cycles"]
    assert sum(together["spent"].values()) == together["cycles"] * DEFAULT.lanes * DEFAULT.slots
    assert f"batch   5: {together['cycles']:12,} cycles" in capsys.readouterr().out
    line = batched([result]).splitlines()[3]
    less = 100 * (1 - together["cycles_per_image"] / alone["cycles"])
    assert line.startswith(f"| heads | 5 | {together['cycles']:,} |  | {together['cycles_per_image']:,.0f} |")
    assert f"| -{less:.1f} % |" in line


@pytest.mark.parametrize("text", ["1,x", "4,"])
def test_batches_that_are_no_numbers(text):
    with pytest.raises(
        ShiftbookError, match=rf"^--batch must be numbers of images, such as 1,4,8, not {text}$"
    ):
        batches.main(["net.ckpt", "--batch", text])
