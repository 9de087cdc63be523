"""Gates of engines, and checkpoints side by side on them."""

from __future__ import annotations

import json

import numpy as np
import pytest

import shiftbook as sb
from shiftbook.api.engines import by_name
from shiftbook.golden.spec import PRESETS
from tests.shiftbook.conftest import IMAGES

SMALL = sb.Spec(slots=1).on_grid(3, 2)
LABELS = np.arange(IMAGES) % 3


@pytest.fixture(scope="module")
def counted() -> sb.Gates:
    return sb.gates(SMALL)


def priced(spec: sb.Spec, name: str, ge: float) -> sb.Gates:
    """An engine of so many gates, without synthesis."""
    figures = dict.fromkeys(("lane_ge", "ge_per_lane", "ge_per_term", "decoder_ge", "memory_ge"), 1.0)
    accelerator = dict.fromkeys(("accelerator_ge", "accelerator_whole_ge"))
    return sb.Gates(
        name,
        spec,
        total_ge=ge,
        whole_ge=ge + 1.0,
        memory_bits=0,
        modules=(),
        versions={},
        **figures,
        **accelerator,
    )


def test_gates(counted):
    assert sum(module.total_ge for module in counted.modules) == pytest.approx(counted.total_ge, abs=1)
    assert sum(module.memory_ge for module in counted.modules) == pytest.approx(counted.memory_ge, abs=1)
    assert counted.whole_ge == pytest.approx(counted.total_ge + counted.memory_ge, abs=0.02)
    assert (counted.lanes, counted.engine, counted.spec) == ("3x2", "custom", SMALL)
    assert counted.accelerator_ge is None
    assert counted.lane_ge < counted.ge_per_lane < counted.total_ge
    assert json.loads(json.dumps(counted.to_dict()))["spec"]["slots"] == 1
    assert list(counted.to_frame()["name"]) == [module.name for module in counted.modules]
    assert repr(counted).startswith("Gates(custom, 3x2 lanes: ")


def test_engines_by_name():
    assert by_name(PRESETS) == PRESETS
    assert by_name([SMALL, "int8", PRESETS["int8"], SMALL.given(slots=2)]) == {
        "custom": SMALL,
        "int8": PRESETS["int8"],
        "custom 2": SMALL.given(slots=2),
    }


def test_compare(checkpoint, images):
    grid = sb.Spec().on_grid(4, 4)
    gates = [priced(grid, "mine", 1000.0), priced(PRESETS["int8"], "int8", 10.0**9)]
    loaded = sb.load(checkpoint)
    found = sb.compare([loaded, checkpoint], (images, LABELS), gates=gates)
    first, second = found.checkpoints
    assert first == second
    assert (first.relative, first.engine, first.ge) == (1, "mine", 1000)
    assert first.cycles == loaded.cycles(grid).total
    assert first.accuracy == loaded.run((images, LABELS)).accuracy
    assert (first.images, first.compared, first.accelerator_ge) == (IMAGES, None, None)
    assert json.loads(json.dumps(found.to_dict()))["rows"][1]["engine"] == "mine"
    assert list(found.to_frame()["relative"]) == [1, 1]
    assert repr(found).startswith("Comparison(GE x cycles: ")
    assert sb.compare([loaded], images, gates=gates).checkpoints[0].accuracy is None


def test_compare_on_the_rtl(checkpoint, images):
    grid = sb.Spec().on_grid(4, 4)
    found = sb.compare([checkpoint], images, gates=[priced(grid, "mine", 1000.0)], rtl=True)
    (row,) = found.checkpoints
    assert row.cycles == sb.load(checkpoint).simulate(images, grid, limit=1).cycles
    assert row.modelled_cycles == sb.load(checkpoint).cycles(grid).total


def test_wrong_arguments(checkpoint, images):
    wrong = {
        "checkpoints must be a list of checkpoints": lambda: sb.compare(checkpoint),
        "checkpoints must be at least one": lambda: sb.compare([]),
        "path must be a path, not 3": lambda: sb.compare([3]),
        "engine must be a Spec or": lambda: sb.compare([checkpoint], engines=["fast"]),
        "engine must be a Spec or .*, not a value of type dict": lambda: sb.gates({}),
        "engines must be a list of engines, not 'int8'": lambda: sb.compare([checkpoint], engines="int8"),
        "gates must be a list .*, not a value of type Gates": lambda: sb.compare(
            [checkpoint], gates=priced(SMALL, "small", 1.0)
        ),
        "gates must have every engine": lambda: sb.compare([checkpoint], engines=["int8"], gates=[]),
        "the RTL runs an image": lambda: sb.compare([checkpoint], rtl=True),
        "the images are 4x8x1": lambda: sb.compare([checkpoint], images[:, :4], gates=[]),
        "weights must be a path": lambda: sb.gates(SMALL, weights=3),
    }
    for message, call in wrong.items():
        with pytest.raises(sb.ShiftbookError, match=message):
            call()
