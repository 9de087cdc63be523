"""`shiftbook build`: files that are enough to run the checkpoint."""

from __future__ import annotations

import json
import re
import subprocess

import numpy as np
import pytest

from shiftbook import cli
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import open_output
from shiftbook.golden.mapping.memory import TensorLayout
from shiftbook.golden.model import executor
from shiftbook.golden.program.header import document
from shiftbook.golden.program.host import HostDriver
from shiftbook.golden.spec import Spec
from shiftbook.sim.session import Session
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
        assert (tensor["pixel_step"], tensor["width_in_memory"]) == (1, tensor["width"])
        return tensor["offset"], TensorLayout(*sizes, spec)

    offset, pixels = layout(described["input"])
    image[offset : offset + pixels.size] = pixels.pack(images[0])
    with Session(spec, image.size) as session:
        session.fill(0, image)
        HostDriver(session.read, session.write, session.wait).run(0)
        offset, result = layout(*described["outputs"])
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


def test_files_for_other_tools(board):
    """Each names files that are there, and the clock by its name in the Verilog."""
    verilog = (board / "accelerator.v").read_text()
    assert (board / "accelerator.f").read_text().split() == ["accelerator.v"]
    clock = re.search(r"^create_clock -name clk -period 10 \[get_ports (\w+)\]$", sdc(board), re.MULTILINE)
    assert f"\n  input {clock[1]};\n" in verilog
    core = (board / "accelerator.core").read_text()
    assert core.startswith("CAPI=2:\n")
    named = [name for names in re.findall(r"files: \[(.*)\]", core) for name in names.split(", ")]
    assert named == ["accelerator.v", "accelerator.sdc"]
    assert all((board / name).is_file() for name in named)


def sdc(board):
    return (board / "accelerator.sdc").read_text()


def test_the_period_of_the_clock(checkpoint, tmp_path):
    folder = tmp_path / "board"
    assert cli.main(["build", str(checkpoint), "-o", str(folder), "--lanes", "4x4", "--period", "3.25"]) == 0
    assert "create_clock -name clk -period 3.25 [get_ports clk]\n" in sdc(folder)


@pytest.mark.parametrize("period", ["0", "-1", "nan", "inf", "-inf"])
def test_a_period_that_cannot_be(checkpoint, tmp_path, capsys, period):
    folder = tmp_path / "board"
    message = refused(capsys, ["build", str(checkpoint), "-o", str(folder), f"--period={period}"])
    assert f"--period must be a number of nanoseconds above 0, such as 10, not {period}" in message
    assert not folder.exists()


def test_all_files_or_none(board, checkpoint, monkeypatch, capsys):
    before = {path: path.read_bytes() for path in board.rglob("*") if path.is_file()}
    written = []

    def full(path):
        written.append(path)
        if len(written) == len(before):  # all others are on the disk
            raise ShiftbookError(f"cannot write {path}: No space left on device")
        return open_output(path)

    monkeypatch.setattr("shiftbook.golden.files.open_output", full)
    arguments = ["build", str(checkpoint), "-o", str(board), "--lanes", "4x4", "--period", "5"]
    assert "No space left on device" in refused(capsys, arguments)
    assert {path: path.read_bytes() for path in board.rglob("*") if path.is_file()} == before


def test_a_place_that_cannot_be(checkpoint, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    message = refused(capsys, ["build", str(checkpoint), "-o", str(tmp_path / "file" / "x")])
    assert "cannot make the folder" in message


def test_the_documentation_has_the_map_of_the_hardware(pytestconfig):
    page = pytestconfig.rootpath / "docs" / "register-map.md"
    assert page.read_text() == document(), "python -m shiftbook.golden.program.header > docs/register-map.md"


def test_a_batch(checkpoint, network, images, tmp_path):
    """A host that knows nothing but the files runs three images at once, and the header says the same."""
    folder = tmp_path / "board"
    options = ["--lanes", "4x4", "--batch", "3"]
    assert cli.main(["build", str(checkpoint), "-o", str(folder), *options]) == 0
    described = json.loads((folder / "map.json").read_text())
    fields = described["spec"]
    spec = Spec(**{**fields, "terms": tuple(map(tuple, fields["terms"]))})
    image = np.fromfile(folder / "image.bin", np.uint8)
    assert described["batch"] == 3

    def layouts(name):
        tensor = described["tensors"][name]
        layout = TensorLayout(tensor["height"], tensor["width"], tensor["channels_in_memory"], spec)
        return [(each["offset"], layout) for each in tensor["images"]]

    for (offset, pixels), values in zip(layouts(described["input"]), images[:3], strict=True):
        image[offset : offset + pixels.size] = pixels.pack(values)
    with Session(spec, image.size) as session:
        session.fill(0, image)
        HostDriver(session.read, session.write, session.wait).run(0)
        for (offset, result), want in zip(
            layouts(*described["outputs"]), executor.run(network, images[:3]).outputs, strict=True
        ):
            assert np.array_equal(result.unpack(session.fetch(offset, result.size)).ravel(), want)
    header = (folder / "shiftbook.h").read_text()
    for end, name in (("INPUT", described["input"]), ("OUTPUT", *described["outputs"])):
        offsets = ", ".join(f"{offset}u" for offset, _ in layouts(name))
        assert f"#define SHIFTBOOK_{end}_OFFSETS {{{offsets}}}" in header
    assert "#define SHIFTBOOK_BATCH 3u" in header
