"""A checkpoint in the hands of a program: what it stores, answers and takes."""

from __future__ import annotations

import json
import sys

import numpy as np
import pandas
import pytest

import shiftbook as sb
from shiftbook.golden.model import executor
from tests.shiftbook.conftest import CLASSES, IMAGES

LABELS = np.arange(IMAGES) % 3
GRID = sb.Spec().on_grid(4, 4)


@pytest.fixture
def loaded(checkpoint) -> sb.Checkpoint:
    return sb.load(checkpoint)


def test_what_it_stores(loaded):
    assert loaded.ratio == loaded.sizes.ratio > 1
    assert (loaded.accuracy, loaded.float_accuracy) == (None, None)
    assert [layer.name for layer in loaded.layers] == ["conv1", "head"]
    assert loaded.layers[0].bits_per_weight > loaded.layers[0].density > 0
    assert (loaded.scheme, loaded.classes, loaded.input_shape) == ("shift", CLASSES, (8, 8, 1))
    assert repr(loaded).startswith("Checkpoint(")
    assert len(repr(loaded)) < 200


def test_it_is_saved_as_it_was(loaded, checkpoint, tmp_path):
    assert loaded.save(tmp_path / "again.ckpt") == tmp_path / "again.ckpt"
    assert (tmp_path / "again.ckpt").read_bytes() == checkpoint.read_bytes()
    assert sb.load(str(tmp_path / "again.ckpt")).ratio == loaded.ratio


def test_run(loaded, network, images, data):
    outputs = executor.run(network, images).outputs
    alone = loaded.run(images)
    assert (alone.scores == outputs).all()
    assert alone.scores.dtype == np.uint8
    assert (alone.accuracy, alone.labels) == (None, None)
    assert alone.names == [CLASSES[number] for number in outputs.argmax(1)]
    for labelled in (loaded.run((images, LABELS)), loaded.run(data), loaded.run(sb.images(data))):
        assert labelled.accuracy == (outputs.argmax(1) == LABELS).mean()
    assert len(loaded.run(images, limit=2)) == 2


def test_cycles(loaded):
    found = loaded.cycles(GRID)
    assert found.total == sum(layer.cycles for layer in found.layers)
    assert [layer.name for layer in found.layers] == ["input", "conv1", "head"]
    assert found.lanes == "4x4"
    assert 0 < found.utilization < 1
    assert {loaded.cycles(name).lanes for name in ("int8", sb.PRESETS["int8"])} == {"8x8"}


def test_explain(loaded):
    found = loaded.explain(GRID)
    modelled = loaded.cycles(GRID)
    assert [(each.name, each.cycles) for each in found.layers] == [
        (each.name, each.cycles) for each in modelled.layers
    ]
    for layer, like in zip(found.layers, modelled.layers, strict=True):
        assert layer.spent.total == layer.cycles * 16 * found.slots
        assert layer.spent.share("useful") == like.utilization
    assert found.spent.total == found.cycles * 16 * 4
    assert found.to_dict()["spent"] == found.to_frame().drop(columns=["name", "cycles"]).sum().to_dict()
    with pytest.raises(sb.ShiftbookError, match="slots"):
        loaded.explain(sb.Spec(slots=2))


def test_a_preset_gets_the_slots_of_the_checkpoint(loaded):
    assert loaded.cycles(sb.PRESETS["int8"]).total > 0
    with pytest.raises(sb.ShiftbookError, match="slots"):
        loaded.cycles(sb.Spec(slots=2))


def test_simulate(loaded, images):
    found = loaded.simulate((images, LABELS), GRID, limit=1)
    assert (found.mismatches, len(found.answers), found.lanes) == (0, 1, "4x4")
    assert found.compared == sum(layer.compared for layer in found.layers) > 0
    modelled = loaded.cycles(GRID)
    assert [layer.micro_ops for layer in found.layers] == [layer.micro_ops for layer in modelled.layers]
    assert found.cycles == sum(layer.cycles for layer in found.layers)
    assert json.loads(json.dumps(found.to_dict()))["mismatches"] == 0
    assert list(found.to_frame()["modelled_cycles"]) == [layer.cycles for layer in modelled.layers]


def test_batches(loaded, images):
    alone, batch = loaded.cycles(GRID), loaded.cycles(GRID, batch=3)
    assert (alone.batch, batch.batch) == (1, 3)
    assert batch.per_image == batch.total / 3 < alone.per_image == alone.total
    assert loaded.explain(GRID, batch=3).cycles == batch.total
    found = loaded.simulate((images, LABELS), GRID, limit=3, batch=3)
    assert (found.mismatches, found.batch, len(found.answers)) == (0, 3, 3)
    assert list(found.to_frame()["modelled_cycles"]) == [layer.cycles for layer in batch.layers]
    for call in (loaded.cycles, loaded.explain):
        with pytest.raises(sb.ShiftbookError, match=r"^batch must be an integer of at least 1, not 0"):
            call(GRID, batch=0)
    with pytest.raises(sb.ShiftbookError, match=r"^a batch takes 9 images and the data has 6$"):
        loaded.simulate((images, LABELS), GRID, batch=9)


def test_results_are_json_and_tables(loaded, images):
    for result in (
        loaded,
        loaded.run(images),
        loaded.run((images, LABELS)),
        loaded.cycles(GRID),
        loaded.explain(GRID),
    ):
        assert json.loads(json.dumps(result.to_dict())) == result.to_dict()
        frame = result.to_frame()
        assert isinstance(frame, pandas.DataFrame)
        assert len(frame) == len(result.rows())
        assert len(repr(result)) < 200


def test_tables_need_pandas(loaded, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(sb.ShiftbookError, match="pip install pandas"):
        loaded.to_frame()


WRONG = {
    "engine must be a Spec or one of .*, not 3": lambda c, x: c.cycles(3),
    "engine must be a Spec or one of .*, not 'fast'": lambda c, x: c.cycles("fast"),
    "images must be a path, .*, not 3.5": lambda c, x: c.run(3.5),
    "images must be .*, not 3 values": lambda c, x: c.run((x, x, x)),
    "x must be a NumPy array, not a value of type list": lambda c, x: c.run((x.tolist(), LABELS)),
    "y must be a NumPy array, not a value of type list": lambda c, x: c.run((x, LABELS.tolist())),
    "x must be uint8 .*, not float64": lambda c, x: c.run(x / 255),
    r"x must be uint8 .*, not uint8 \[8, 8, 1\]": lambda c, x: c.run(x[0]),
    "y must be 6 integers from 0, not float64": lambda c, x: c.run((x, LABELS / 2)),
    "the images are 4x8x1, but the network takes 8x8x1": lambda c, x: c.run(x[:, :4]),
    "the data has a label 7, but the network has 3 outputs": lambda c, x: c.run((x, LABELS + 5)),
    "limit must be an integer of at least 1, not 0": lambda c, x: c.run(x, limit=0),
    "no data at nowhere": lambda c, x: c.run("nowhere"),
    "path must be a path, not None": lambda c, x: c.save(None),
    "path must be a path, not a value of type bytes": lambda c, x: sb.load(b"net.ckpt"),
    "path must be a path, not ''": lambda c, x: sb.load(""),
    "cannot read nowhere.ckpt": lambda c, x: sb.load("nowhere.ckpt"),
    "wave must be a path, not True": lambda c, x: c.simulate(x, wave=True),
    "part must be one of train, test, all, not 'both'": lambda c, x: sb.images(x, part="both"),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_arguments(loaded, images, message):
    with pytest.raises(sb.ShiftbookError, match=message) as caught:
        WRONG[message](loaded, images)
    assert "\n" not in str(caught.value)
