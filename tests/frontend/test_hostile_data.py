"""Data files that claim too much or are of another kind: one clear line, before memory is taken."""

from __future__ import annotations

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
from PIL import Image

from shiftbook.frontend.data import MAX_LABEL, load
from shiftbook.golden.errors import ShiftbookError

SMALL = np.zeros((4, 3, 3, 1), np.uint8)


def refused(path) -> str:
    """The one line that loading says, in little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(ShiftbookError) as caught:
            load(path, "all")
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def zipped(path, **members: bytes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return path


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array)
    return stream.getvalue()


def claim(shape: str, descr: str = "|u1") -> bytes:
    """An array's header without the array."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x03\x04" + bytes(90), npy(SMALL), b"\x80\x04."])
def test_files_of_another_kind(tmp_path, data):
    path = tmp_path / "x.npz"
    path.write_bytes(data)
    assert refused(path).startswith(f"{path} is not a readable .npz file, as numpy.savez writes it: ")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            claim("(1048576, 8192, 8192, 1)"),
            "x in {} has too many bytes: 70,368,744,177,664, more than the limit",
        ),
        (claim(f"(1, 1, 1, {10**400})"), "x in {} has too many bytes: more than 2^1328"),
        (claim("(9, 8, 8, 1)"), "x in {} is damaged: shape [9, 8, 8, 1] of uint8 has not 0 bytes"),
        (claim("(-9, 8, 8, 1)"), "x in {} is damaged: shape [-9, 8, 8, 1] of uint8 has not 0 bytes"),
        (claim("(9, 8, 8, 1)", "|O"), "x in {} must hold numbers, not object"),
        (claim("(9, 8, 8, 1)", "<U0"), "x in {} must hold numbers, not <U0"),
        (claim("()"), "x in {} is damaged: shape [] of uint8 has not 0 bytes"),
    ],
)
def test_arrays_are_measured_before_they_are_read(tmp_path, header, message):
    path = zipped(tmp_path / "x.npz", x=header)
    assert refused(path).startswith(message.format(path))


def test_a_zip_bomb_is_refused_by_what_it_says(tmp_path):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("x.npy", "w") as stream:
        stream.write(claim("(1280, 1024, 1024, 1)"))
        for _ in range(1280):
            stream.write(bytes(1 << 20))
    assert path.stat().st_size < 2 << 20
    assert "x in" in refused(path)
    assert "has too many bytes: 1,342,177,280, more than the limit of 1,073,741,824" in refused(path)


def test_objects_are_never_unpickled(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, x=np.array([{}, []], object))
    assert refused(path) == f"x in {path} must hold numbers, not object"


@pytest.mark.parametrize("label", [1 << 63, (1 << 64) - 1, 1 << 20])
def test_labels_never_wrap(tmp_path, label):
    path = tmp_path / "x.npz"
    np.savez(path, x=SMALL, y=np.array([0, 1, 2, label], np.uint64))
    assert refused(path) == f"y in {path} must be 4 integers from 0 to {MAX_LABEL}, not {label}"


def test_arrays_in_any_layout_are_read(tmp_path):
    images = np.asfortranarray(np.random.default_rng(0).integers(0, 256, (5, 4, 3, 2), np.uint8))
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "x.npz", x=images, y=np.arange(5, dtype=">i2"), z=np.array([None]))
        dataset = load(tmp_path / "x.npz", "all")
        assert np.array_equal(dataset.images, images)
        assert dataset.labels.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2Jb", "caf\udce9"])
def test_names_of_class_folders_are_plain(tmp_path, name):
    (tmp_path / name).mkdir()
    Image.new("L", (3, 3)).save(tmp_path / name / "1.png")
    assert refused(tmp_path).startswith("a class folder's name must be visible characters and blanks, not ")


def test_a_photograph_of_too_many_pixels_is_refused_by_its_header(tmp_path):
    (tmp_path / "a").mkdir()
    Image.new("1", (8192, 8192)).save(tmp_path / "a" / "1.png")
    assert "1.png has too many pixels: 67,108,864, more than the limit of 33,554,432" in refused(tmp_path)
