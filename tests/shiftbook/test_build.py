"""`shiftbook build`: files that are enough to run the checkpoint."""

from __future__ import annotations

import json
import re
import subprocess

import numpy as np
import pytest

from golden import executor
from golden.memory import TensorLayout
from golden.spec import Spec
from shiftbook import cli
from sim.header import document
from sim.host import HostDriver
from sim.session import Session
from tests.shiftbook.test_inspect import refused


@pytest.fixture
def board(checkpoint, tmp_path):
    folder = tmp_path / "board"
    assert cli.main(["build", str(checkpoint), "-o", str(folder), "--lanes", "4x4"]) == 0
    return folder


def test_the_files_are_enough(board, network, images):
    """A host that knows nothing but the files runs an image."""
    described = json.loads((board / "map.json").read_text())
    fields = described["spec"]
    spec = Spec(**{**fields, "terms": tuple(map(tuple, fields["terms"]))})
    image = np.fromfile(board / "image.bin", np.uint8)
    assert image.size == described["image_bytes"]

    def layout(name):
        tensor = described["tensors"][name]
        sizes = (tensor["height"], tensor["width"], tensor["channels_in_memory"])
        return tensor["offset"], TensorLayout(*sizes, spec)

    offset, pixels = layout(described["input"])
    image[offset : offset + pixels.size] = pixels.pack(images[0])
    with Session(spec, image.size) as session:
        session.fill(0, image)
        HostDriver(session.read, session.write, session.wait).run(0)
        offset, result = layout(described["output"])
        got = result.unpack(session.fetch(offset, result.size)).ravel()
    assert np.array_equal(got, executor.run(network, images[:1]).outputs[0])


def test_the_header_compiles_and_says_the_same(board):
    described = json.loads((board / "map.json").read_text())
    text = (board / "shiftbook.h").read_text()
    offset = described["tensors"][described["input"]]["offset"]
    assert f"#define SHIFTBOOK_INPUT_OFFSET {offset}u" in text
    program = board / "check.c"
    program.write_text(
        '#include "shiftbook.h"\n_Static_assert(SHIFTBOOK_STATUS == 0x24, "");\n'
        '_Static_assert(SHIFTBOOK_STATUS_FAULT_SHIFT == 8, "");\nint main(void) { return 0; }\n'
    )
    subprocess.run(["cc", "-Wall", "-Werror", "-fsyntax-only", str(program)], check=True)


def test_verilog_is_the_accelerator(board):
    assert len(re.findall(r"^module accelerator\(", (board / "accelerator.v").read_text(), re.MULTILINE)) == 1


def test_a_place_that_cannot_be(checkpoint, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    message = refused(capsys, ["build", str(checkpoint), "-o", str(tmp_path / "file" / "x")])
    assert "cannot make the folder" in message


def test_the_documentation_has_the_map_of_the_hardware(pytestconfig):
    page = pytestconfig.rootpath / "docs" / "register-map.md"
    assert page.read_text() == document(), "python -m sim.header > docs/register-map.md"
