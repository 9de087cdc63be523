"""Target: .npz files and folders of photographs, damaged in their bytes, headers and arrays."""

from __future__ import annotations

import io
import random
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from shiftbook.frontend.data.dataset import MAX_LABEL, load
from tests.fuzz.bytes_of_files import damaged
from tests.fuzz.judging import loaded

SHAPES = (
    "(6, 5, 4, 3)",
    "(6,)",
    "()",
    "(0, 5, 4, 3)",
    "(-6, 5, 4, 3)",
    "(1099511627776, 8, 8, 1)",
    "(6, 5, 4, 3, 1)",
)
TYPES = (
    "|u1",
    "|i1",
    "<u8",
    ">i2",
    "<f4",
    "<c16",
    "|O",
    "<U3",
    "|V6",
    "|b1",
    "<M8[s]",
    "[('a', '<i4')]",
    "?!",
)
FORMATS = {"png": {}, "jpg": {"quality": 90}, "bmp": {}, "ppm": {}, "webp": {}}


def mutate(rng: random.Random, folder: Path) -> Path:
    """A damaged .npz file, or a folder with one damaged photograph."""
    return _npz(rng, folder / "mutant.npz") if rng.random() < 0.5 else _photographs(rng, folder / "mutant")


@cache
def _arrays() -> dict[str, bytes]:
    """The members of a good file."""
    images = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3), np.uint8)
    arrays = {
        "x": images,
        "y": np.arange(6) % 3,
        "floats": images / np.float32(9),
        "hot": np.eye(3)[[0, 1, 2] * 2],
    }
    found = {}
    for name, array in arrays.items():
        stream = io.BytesIO()
        np.lib.format.write_array(stream, array)
        found[name] = stream.getvalue()
    return found


def _npz(rng: random.Random, path: Path) -> Path:
    members = dict(_arrays())
    for name, other in (("x", "floats"), ("y", "hot")):
        instead = members.pop(other)
        members[name] = instead if rng.random() < 0.4 else members[name]
    kind = rng.randrange(5)
    name = rng.choice(["x", "y"])
    if kind == 0:
        members[name] = damaged(members[name], rng)
    elif kind == 1:
        text = f"{{'descr': {rng.choice(TYPES)!r}, 'fortran_order': {rng.random() < 0.5}, 'shape': "
        header = f"{text}{rng.choice(SHAPES)}, }}".ljust(117).encode() + b"\n"
        data = members[name][128:]
        members[name] = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data
    elif kind == 2:
        values = np.array([0, 1, 2, 0, 1, rng.choice([-1, 1 << 20, (1 << 63) - 1, 2])])
        stream = io.BytesIO()
        np.lib.format.write_array(stream, values)
        members["y"] = stream.getvalue()
    elif kind == 3:
        del members[name]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as file:
        for member, data in members.items():
            file.writestr(f"{member}.npy", data)
    raw = stream.getvalue()
    if rng.random() < 0.02:
        raw = members.get("x", b"")  # an .npy of that name
    path.write_bytes(damaged(raw, rng) if kind == 4 else raw)
    return path


def _photographs(rng: random.Random, folder: Path) -> Path:
    form = rng.choice(list(FORMATS))
    mode = rng.choice(["RGB", "RGB", "L", "1"] if form != "jpg" else ["RGB", "L", "CMYK"])
    mode = mode if form in ("png", "jpg") else "RGB"
    for number in range(2):
        place = folder / f"class_{number}"
        place.mkdir(parents=True)
        Image.new(mode, (6, 5), number).save(place / f"0.{form}", **FORMATS[form])
    victim = folder / "class_1" / f"0.{form}"
    victim.write_bytes(damaged(victim.read_bytes(), rng))
    return folder


def judge(path: Path) -> bool:
    """Refused, or images with labels in range."""
    dataset = loaded(lambda: load(path, "all"))
    if dataset is None:
        return False
    assert dataset.images.dtype == np.uint8 or (dataset.is_float and np.isfinite(dataset.images).all())
    assert dataset.images.ndim == 4
    assert dataset.images.size
    if dataset.labels is not None:
        assert dataset.labels.shape == (len(dataset),)
        assert 0 <= dataset.labels.min() <= dataset.labels.max() <= MAX_LABEL
    return True
