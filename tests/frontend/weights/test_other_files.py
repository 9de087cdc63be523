"""What holds no weights that can be loaded is named in one line, with the way out."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from shiftbook.frontend.importing.given import GivenModel
from shiftbook.frontend.importing.load import load_model
from shiftbook.golden.errors import ShiftbookError

WAY_OUT = "load it in Python, and save its weights with torch.save(model.state_dict(), 'weights.pt')"


def refused(path: Path) -> str:
    with pytest.raises(ShiftbookError) as caught:
        load_model(GivenModel(nn.Conv2d(1, 2, 3)), path)
    start = f"{path} is neither a .safetensors file nor a state dict of tensors alone: "
    line = str(caught.value)
    assert line.startswith(start)
    assert "\n" not in line
    assert "\\x1b" not in line, "torch colours what it says"
    return line.removeprefix(start)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_whole_pickled_model(tmp_path, zipped):
    torch.save(nn.Sequential(nn.Conv2d(1, 2, 3)), tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    name = "torch.nn.modules.container.Sequential"
    assert refused(tmp_path / "w.pt") == f"it holds a whole pickled model ({name}): {WAY_OUT}"


def test_a_whole_pickled_model_in_a_checkpoint(tmp_path):
    torch.save({"epoch": 3, "model": nn.Conv2d(1, 2, 3)}, tmp_path / "w.pt")
    name = "torch.nn.modules.conv.Conv2d"
    assert refused(tmp_path / "w.pt") == f"it holds a whole pickled model ({name}) under 'model': {WAY_OUT}"


def test_a_torchscript_archive(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and files are not
        torch.jit.script(nn.Conv2d(1, 2, 3)).save(str(tmp_path / "w.pt"))
    assert refused(tmp_path / "w.pt") == (
        "it is a TorchScript archive, which holds code: save its weights with "
        "torch.save(torch.jit.load('w.pt').state_dict(), 'weights.pt')"
    )


def test_a_program_of_torch_export(tmp_path):
    program = torch.export.export(nn.Conv2d(1, 2, 3), (torch.zeros(1, 1, 4, 4),))
    torch.export.save(program, tmp_path / "w.pt2")
    assert refused(tmp_path / "w.pt2") == f"it is a program of torch.export: {WAY_OUT}"


def test_zip_files_of_other_things(tmp_path):
    np.savez(tmp_path / "w.npz", x=np.zeros(3))
    assert refused(tmp_path / "w.npz") == "it is a NumPy .npz file"
    with zipfile.ZipFile(tmp_path / "w.pt", "w") as file:
        file.writestr("word/document.xml", "<a/>")
    assert refused(tmp_path / "w.pt") == (
        "it is a zip file that torch.save did not write: it holds 'word/document.xml'"
    )
    whole = (tmp_path / "w.pt").read_bytes()
    (tmp_path / "w.pt").write_bytes(whole[:-9])
    assert refused(tmp_path / "w.pt").startswith("it is a damaged zip file")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file, as Keras writes"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS: fetch the file itself"),
        (b"<!DOCTYPE html><html>", "a page of HTML or XML: download the file itself"),
        (b"\x1f\x8b\x08" + bytes(99), "compressed: unpack it with gunzip"),
    ],
)
def test_files_with_a_beginning_of_their_own(tmp_path, data, kind):
    (tmp_path / "w.pt").write_bytes(data)
    told = refused(tmp_path / "w.pt")
    assert f"not as torch.save writes; it is {kind}" in told


def test_a_file_of_torch_under_the_name_of_the_other_kind(tmp_path):
    torch.save(nn.Conv2d(1, 2, 3).state_dict(), tmp_path / "w.safetensors")
    assert refused(tmp_path / "w.safetensors") == "torch.save wrote it, so its name must not end so"


class Runs:
    """Unpickling it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (exec, (f"open({str(self.path)!r}, 'w')",))


@pytest.mark.parametrize("zipped", [True, False])
def test_code_beside_good_weights_does_not_run(tmp_path, zipped):
    state = nn.Conv2d(1, 2, 3).state_dict()
    saved = {"state_dict": state, "extra": Runs(tmp_path / "ran")}
    torch.save(saved, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    source = load_model(GivenModel(nn.Conv2d(1, 2, 3)), tmp_path / "w.pt")
    assert torch.equal(source.model.weight, state["weight"])
    assert not (tmp_path / "ran").exists()
