"""CONTRIBUTING.md is true: its files exist, and what follows its lists works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shiftbook.golden.spec import PRESETS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "CONTRIBUTING.md"
FOLDERS = ("golden", "hw", "sim", "synth", "frontend", "shiftbook")
"""What is copied, links and all: the tree that a contributor adds files to."""

PLACE = re.compile(r"`((?:[\w.]+/)*[\w.]+\.(?:py|md|toml|txt)|(?:\w+/)+)`")
"""A file or a folder as the page names it."""

SCHEME = {
    "frontend/schemes/X.py": '''
"""Signs: every weight that is kept is -1, 0 or 1 steps."""

import torch
from torch import Tensor

from shiftbook.frontend.schemes.base import LevelQuantizer, Quantizer, Scheme, best_scale


class Signs(Scheme):
    name = "signs"
    lowest_bits = highest_bits = 2

    def __init__(self, bits: int = 2) -> None:
        super().__init__(bits)

    def fit(self, weight: Tensor, mask: Tensor, generator: torch.Generator) -> Quantizer:
        step = weight.abs().mean().reshape(1)
        quantizer = LevelQuantizer(torch.tensor([-1.0, 0.0, 1.0]), step, mask, self.name, {})
        best_scale(weight, quantizer)
        return quantizer
'''
}

OPERATOR = {
    "golden/model/nodes/X.py": '''
"""Channels of several groups, dealt out in turn."""

from dataclasses import dataclass

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.nodes.base import Node


@dataclass(frozen=True)
class Shuffle(Node):
    source: str
    groups: int

    @property
    def inputs(self):
        return (self.source,)

    def shape(self, inputs):
        if self.groups < 1 or inputs[0][2] % self.groups:
            raise ShiftbookError(f"layer {self.name}: groups must divide {inputs[0][2]}, not {self.groups}")
        return inputs[0]

    def run(self, inputs, zero_points):
        (images,) = inputs
        grouped = images.reshape(*images.shape[:3], self.groups, -1)
        return grouped.swapaxes(3, 4).reshape(images.shape)
''',
    "golden/storage/nodes/X.py": '''
"""The entry of a shuffle."""

from shiftbook.golden.model.nodes.X import Shuffle
from shiftbook.golden.storage.nodes.base import Entry


class ShuffleEntry(Entry[Shuffle]):
    kind = "shuffle"
    node = Shuffle

    def fields(self, node, coding):
        return {"source": node.source, "groups": node.groups}

    def read(self, name, fields, reading):
        return Shuffle(name, fields.text("source"), fields.integer("groups", 1))
''',
    "golden/mapping/nodes/X.py": '''
"""A shuffle is a 1 x 1 layer with one weight for each output channel."""

from dataclasses import replace

import numpy as np

from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.mapping.conv_passes import engine_passes
from shiftbook.golden.mapping.identity import identity, same_values
from shiftbook.golden.mapping.nodes.base import Planner
from shiftbook.golden.model.nodes.X import Shuffle


class ShufflePlanner(Planner[Shuffle]):
    node = Shuffle

    def passes(self, node, memory):
        shape, zero_point = memory.shapes[node.source], memory.zero_points[node.source]
        same = same_values(shape[2], zero_point)
        conv = identity(node.name, node.source, shape[2], 0, 0, 1, same, memory.spec)
        order = np.arange(shape[2]).reshape(node.groups, -1).T.ravel()
        integers = conv.weights.integers[order]
        conv = replace(conv, weights=code_weights(integers, "ones", memory.spec))
        return engine_passes(conv, shape, memory.views, zero_point, 0, memory.spec)
''',
    "frontend/fusing/operators/X.py": '''
"""Channel shuffles without arithmetic."""

from dataclasses import dataclass

from shiftbook.frontend.fusing.builder import Value
from shiftbook.frontend.fusing.layer import PlainLayer
from shiftbook.frontend.layers.fixed import SelectConv2d
from shiftbook.golden.model.nodes.X import Shuffle


@dataclass(kw_only=True)
class ShuffleLayer(PlainLayer):
    source: str
    operation: SelectConv2d

    @property
    def inputs(self):
        return (self.source,)

    def __call__(self, *inputs):
        return self.operation(inputs[0])

    def lower(self, calibration, spec):
        return Shuffle(self.name, self.source, self.operation.out_channels // self.operation.order[1])


def shuffle(builder, node, operation, values):
    (value,) = values
    builder.no_padding(node, value)
    layer = ShuffleLayer(name=node.name, source=value.layer, operation=operation)
    builder.append(layer, node.shape)
    return Value(layer.name, carriers=value.carriers)


HANDLERS = {SelectConv2d: shuffle}
SUPPORTED = ("ChannelShuffle",)
''',
}

PRESET = """
    "narrow": replace(DEFAULT, slots=2, terms=((0, 2),)),
"""
"""A lane that exists, for exponents that no other preset has."""

SECTION = {
    "shiftbook/results/X.py": '''
"""What `shiftbook survey` writes."""

from __future__ import annotations

from shiftbook.results.base import Count, Record, Text


class Survey(Record):
    """A survey."""

    swept: Text
    """What was changed."""
    points: list[Count]
    """What came of it."""
'''
}

SECTION_KIND = """
    "survey": Kind(Survey, frozenset({"swept", "points"})),
"""

SECTION_IMPORT = "from shiftbook.results.X import Survey"

SECTION_MAKER = """
        (_surveys, Section("survey", "Surveys", "Points, one by one.")),
"""

SECTION_PARTS = """

def _surveys(results: Results) -> Iterator[Part]:
    for result, survey in results.of(Survey):
        yield Part([result.file], survey.swept, [f"{len(survey.points)} points."])
"""

NET = """
import torch
from torch import nn


def make():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.{middle}, nn.ReLU(), nn.Conv2d(8, 8, 3, groups=2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    )
"""

USE = """
import sys

import numpy as np

import shiftbook
from shiftbook.golden.mapping.legality import check_runnable
from shiftbook.golden.mapping.passes import plan
from shiftbook.golden.model import executor
from shiftbook.golden.spec import DEFAULT

assert shiftbook.__file__.startswith(sys.argv[1]), shiftbook.__file__
pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8)
np.savez("data.npz", x=pixels, y=np.arange(20) % 4)
{compress}
network = shiftbook.load("net.ckpt").network
check_runnable(network, DEFAULT)
passes = plan(network, DEFAULT).passes
tensors = executor.run(network, pixels[:2], keep=True).tensors
"""

SCHEME_USE = """
shiftbook.compress("net.py:make", "data.npz", output="net.ckpt", scheme="signs", density=1.0)
"""

SCHEME_CHECK = """
from shiftbook.frontend.schemes import available

assert "signs" in available()
middle = next(node for node in network.nodes if node.name == "3")
assert middle.weights.scheme == "signs"
assert set(np.unique(middle.weights.integers)) <= {-1, 0, 1}
"""

OPERATOR_USE = """
shiftbook.compress("net.py:make", "data.npz", output="net.ckpt", scheme="int8", density=1.0)
"""

OPERATOR_CHECK = """
from shiftbook.golden.model.nodes.X import Shuffle

(node,) = [node for node in network.nodes if isinstance(node, Shuffle)]
before, after = tensors[node.source], tensors[node.name]
assert np.array_equal(after[..., :4], before[..., [0, 4, 1, 5]])
(step,) = [step for step in passes if step.node == node.name]
ones = step.weights.integers[:, 0, 0]
assert np.array_equal(np.nonzero(ones)[1], [0, 4, 1, 5, 2, 6, 3, 7])
"""

PRESET_USE = """
import json
import sys

import shiftbook
from shiftbook import cli
from shiftbook.options.engine import make_spec
from shiftbook.synth.flow.gates import gate_report

assert shiftbook.__file__.startswith(sys.argv[1]), shiftbook.__file__
assert shiftbook.PRESETS["narrow"] == make_spec("narrow", "8x8")
arguments = ["gates", "--engine", "narrow", "--lanes", "2x2", "--no-flat", "--json", "gates.json"]
assert cli.main(arguments) == 0
(found,) = json.load(open("gates.json"))["engines"].values()
assert found["spec"]["terms"] == [[0, 2]]
assert 0 < found["lane_ge"] < found["total_ge"]
"""


def with_files(folder: Path, files: dict[str, str]) -> Path:
    """A copy of the tree with files added to it."""
    for name in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
    for name, text in files.items():
        assert not (folder / name).exists()
        (folder / name).write_text(text.lstrip())
    return folder


def insert(path: Path, above: str, text: str) -> None:
    """Put lines below the one line of a file that is ``above``."""
    before = path.read_text()
    assert before.count(f"\n{above}\n") == 1, f"{path.name} has no such line: {above}"
    path.write_text(before.replace(f"\n{above}\n", f"\n{above}\n{text.strip(chr(10))}\n"))


def follow(folder: Path, middle: str, use: str, check: str) -> None:
    """Compress a small network with the tree in a folder, load it, run it and plan its passes."""
    (folder / "net.py").write_text(NET.format(middle=middle))
    (folder / "use.py").write_text(USE.format(compress=use) + check)
    started(folder, "use.py", str(folder))


def started(folder: Path, *arguments: str) -> str:
    """What Python prints that runs with the tree in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200", "NO_COLOR": "1"}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def section(title: str) -> str:
    """What stands below a heading of the page."""
    return PAGE.read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("title", re.findall(r"^## (.+)", PAGE.read_text(), re.MULTILINE))
def test_files_that_are_named_exist(title: str) -> None:
    named = PLACE.findall(section(title))
    assert len(named) > 3
    for name in named:
        assert (ROOT / name).exists() or Path(name).stem == "X", name
        assert (ROOT / name).parent.is_dir(), name


@pytest.mark.parametrize(
    ("title", "files"),
    [("A scheme", SCHEME), ("An operator", OPERATOR), ("A section of the report", SECTION)],
)
def test_lists_name_the_new_files(title: str, files: dict[str, str]) -> None:
    new = {name for name in PLACE.findall(section(title)) if Path(name).name == "X.py"}
    assert new == set(files)


def test_a_scheme_is_one_file(tmp_path: Path) -> None:
    follow(with_files(tmp_path, SCHEME), "Identity()", SCHEME_USE, SCHEME_CHECK)


def test_an_operator_is_four_files(tmp_path: Path) -> None:
    follow(with_files(tmp_path, OPERATOR), "ChannelShuffle(2)", OPERATOR_USE, OPERATOR_CHECK)


def test_a_preset_is_an_entry(tmp_path: Path) -> None:
    folder = with_files(tmp_path, {})
    insert(folder / "golden" / "spec.py", "PRESETS: dict[str, Spec] = {", PRESET)
    (folder / "use.py").write_text(PRESET_USE)
    assert "narrow" in started(folder, "use.py", str(folder))
    for command in ("run", "gates", "compare"):
        assert "narrow, " in started(folder, "-m", "shiftbook", command, "--help")


def test_every_preset_has_its_row_in_the_architecture() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page.partition("| preset | lane | reads |\n| --- | --- | --- |\n")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted(rows) == sorted(PRESETS)


def test_a_section_of_the_report_is_a_record_and_its_parts(tmp_path: Path) -> None:
    folder = with_files(tmp_path, SECTION)
    commands = folder / "shiftbook" / "results" / "commands.py"
    sections = folder / "shiftbook" / "report" / "sections.py"
    for file in (commands, sections):
        insert(file, "from shiftbook.results.run import Run", SECTION_IMPORT)
    insert(commands, "COMMANDS = {", SECTION_KIND)
    insert(
        sections, "    makers: list[tuple[Callable[[Results], Iterator[Part]], Section]] = [", SECTION_MAKER
    )
    sections.write_text(sections.read_text() + SECTION_PARTS)
    (folder / "in").mkdir()
    (folder / "in" / "a.json").write_text('{"swept": "density", "points": [3, 1]}')
    started(folder, "-m", "shiftbook", "report", "in", "-o", "page.html")
    text = (folder / "page.html").read_text()
    assert all(part in text for part in ("Surveys", "density", "2 points."))
    assert "| `swept` | text | yes | What was changed. |" in started(folder, "-m", "shiftbook.results.page")
