"""Data files that claim too much or are of another kind: one clear line, before memory is taken."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zipfile
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from shiftbook.frontend.data.dataset import MAX_LABEL, load
from shiftbook.frontend.data.frame import Frame
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.limits import Limits

SMALL = np.zeros((4, 3, 3, 1), np.uint8)


def refused(path, **options) -> str:
    """The one line that loading says, in little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(ShiftbookError) as caught:
            load(path, "all", **options)
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


@pytest.mark.parametrize("name", ["9" * 200, "1048576", "20240131_cats", "9" * 254])
def test_numbers_of_class_folders_are_bounded(tmp_path, name):
    (tmp_path / name).mkdir()
    Image.new("L", (3, 3)).save(tmp_path / name / "1.png")
    line = refused(tmp_path)
    assert line.startswith(f"class folder {name[:40]}")
    assert line.endswith(f": the number that its name begins with must be at most {MAX_LABEL}")


def test_the_largest_class_number_is_one(tmp_path):
    (tmp_path / str(MAX_LABEL)).mkdir()
    Image.new("L", (3, 3)).save(tmp_path / str(MAX_LABEL) / "1.png")
    assert load(tmp_path, "all").labels.tolist() == [MAX_LABEL]


DEEP = np.array([[0, 255, 256, 257], [32767, 32768, 65279, 65535]], np.uint16)
"""Pixels of 16 bits."""
UPPER = np.array([[0, 0, 1, 1], [127, 128, 254, 255]], np.uint8)
"""Their upper 8 bits."""


def png16(colour: bool) -> bytes:
    """A PNG file with DEEP in each channel, which Pillow does not write for colours."""
    pixels = np.repeat(DEEP[:, :, None], 3 if colour else 1, 2).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", 4, 2, 16, 2 if colour else 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def test_of_16_bits_the_upper_8_count_in_grey_as_in_colour(tmp_path):
    for name in ("grey", "colour", "mixed", "pgm", "tiff"):
        (tmp_path / name).mkdir()
    (tmp_path / "grey" / "1.png").write_bytes(png16(colour=False))
    (tmp_path / "colour" / "1.png").write_bytes(png16(colour=True))
    (tmp_path / "mixed" / "1.png").write_bytes(png16(colour=True))
    (tmp_path / "mixed" / "2.png").write_bytes(png16(colour=False))
    (tmp_path / "pgm" / "1.pgm").write_bytes(b"P5 4 2 65535\n" + DEEP.astype(">u2").tobytes())
    Image.fromarray(DEEP).save(tmp_path / "tiff" / "1.png", "TIFF", big_endian=True)
    for name in ("grey", "pgm", "tiff"):
        assert np.array_equal(load(tmp_path / name, "all").images, UPPER[None, :, :, None]), name
    for name in ("colour", "mixed"):
        images = load(tmp_path / name, "all").images
        assert np.array_equal(images, np.broadcast_to(UPPER[None, :, :, None], images.shape)), name


def tiff16(order: str, colour: bool, photometric: int = 1, kind: int = 1, bits: int = 16) -> bytes:
    """A TIFF file with DEEP in each channel, in a byte order; Pillow does not write most of these."""
    pixels = np.repeat(DEEP[:, :, None], 3 if colour else 1, 2)
    strip = pixels.astype(f"{order}u2").tobytes()
    if bits == 12:  # two pixels in three bytes
        strip = b"".join(
            bytes([a >> 8, (a & 0xF0) | (b >> 12), (b >> 4) & 0xFF]) for a, b in DEEP.reshape(-1, 2).tolist()
        )
    count, tags = pixels.shape[2], {256: 4, 257: 2, 258: bits, 259: 1, 262: 2 if colour else photometric}
    tags |= {273: 0, 277: count, 278: 2, 279: len(strip)} | ({} if colour else {339: kind})
    start = 8 + 2 + 12 * len(tags) + 4  # of the bits of each channel, which the strip follows
    tags[273] = start + 2 * count
    entries = b""
    for tag, value in tags.items():
        wide = tag == 258 and colour
        entries += struct.pack(f"{order}HHI", tag, 3, count if wide else 1)
        entries += struct.pack(f"{order}I", start) if wide else struct.pack(f"{order}HH", value, 0)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    return head + entries + bytes(4) + struct.pack(f"{order}{count}H", *[bits] * count) + strip


@pytest.mark.parametrize("suffix", ["tif", "tiff", "TIF"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("colour", [False, True])
def test_tiff_files_of_16_bits(tmp_path, suffix, order, colour):
    (tmp_path / f"1.{suffix}").write_bytes(tiff16(order, colour))
    images = load(tmp_path, "all").images
    assert images.shape == (1, 2, 4, 3 if colour else 1)
    assert np.array_equal(images, np.broadcast_to(UPPER[None, :, :, None], images.shape))


def test_a_tiff_whose_0_is_white(tmp_path):
    (tmp_path / "1.tif").write_bytes(tiff16("<", colour=False, photometric=0))
    assert np.array_equal(load(tmp_path, "all").images[0, :, :, 0], 255 - UPPER)


def test_a_tiff_of_12_bits_fills_the_range(tmp_path):
    (tmp_path / "1.tif").write_bytes(tiff16("<", colour=False, bits=12))
    assert np.array_equal(load(tmp_path, "all").images[0, :, :, 0], UPPER)


def test_pixels_with_a_sign_are_refused(tmp_path):
    (tmp_path / "1.tif").write_bytes(tiff16("<", colour=False, kind=2))
    said = "1.tif has pixels of 16 bits with a sign: save it with 8 or 16 bits a channel"
    assert refused(tmp_path).endswith(said)


def test_a_pgm_of_12_bits_fills_the_range(tmp_path):
    (tmp_path / "1.pgm").write_bytes(b"P5 2 1 4095\n" + np.array([2048, 4095], ">u2").tobytes())
    assert load(tmp_path, "all").images.ravel().tolist() == [128, 255]


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_pixels_of_32_bits_are_refused(tmp_path, kind):
    Image.fromarray(DEEP.astype(kind)).save(tmp_path / "1.png", "TIFF")
    assert refused(tmp_path).endswith("1.png has pixels of 32 bits: save it with 8 or 16 bits a channel")


def test_the_images_of_a_folder_are_bounded_together(tmp_path):
    first = tmp_path / "000.png"
    Image.new("1", (5000, 5000)).save(first)
    for number in range(1, 43):
        os.link(first, tmp_path / f"{number:03}.png")
    assert refused(tmp_path).startswith(
        f"the images in {tmp_path}, 43 of 5000x5000x1, have too many bytes: 1,075,000,000, more than "
    )
    assert load(tmp_path, "all", frame=Frame(resize=4)).images.shape == (43, 4, 4, 1)
    assert load(tmp_path, "all", limit=1).images.shape == (1, 5000, 5000, 1)


def test_colours_count_three_times(tmp_path, monkeypatch):
    Image.new("RGB", (100, 100)).save(tmp_path / "1.png")
    monkeypatch.setattr(
        "shiftbook.frontend.data.dataset.limits", lambda: replace(Limits(), data_bytes=29_999)
    )
    assert "1 of 100x100x3, have too many bytes: 30,000, more than the limit of 29,999" in refused(tmp_path)


@pytest.mark.parametrize(("size", "resize"), [((10, 10), 100_000), ((1, 60_000), 256), ((60_000, 1), 256)])
def test_a_photograph_is_measured_before_it_is_resized(tmp_path, size, resize):
    Image.new("L", size).save(tmp_path / "1.png")
    line = refused(tmp_path, frame=Frame(resize=resize, crop=1))
    pixels = resize * max(size) * resize // min(size)
    assert f"1.png has too many pixels once its shorter side has {resize}: {pixels:,}, more than" in line


def test_another_shape_is_told_before_it_is_decoded(tmp_path):
    Image.new("L", (4, 3)).save(tmp_path / "1.png")
    Image.new("L", (5000, 5000)).save(tmp_path / "2.png")
    data = (tmp_path / "2.png").read_bytes()
    (tmp_path / "2.png").write_bytes(data[:60])  # no pixels
    assert "2.png is 5000x5000x1, " in refused(tmp_path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_array_takes_its_own_size_of_memory(tmp_path, save):
    images = np.zeros((64, 1024, 1024, 1), np.uint8)
    images[0, 0, 0, 0], images[-1, -1, -1, -1] = 1, 2
    save(tmp_path / "x.npz", x=images)
    tracemalloc.start()
    try:
        found = load(tmp_path / "x.npz", "all").images
        assert tracemalloc.get_traced_memory()[1] < 1.1 * images.nbytes
    finally:
        tracemalloc.stop()
    assert np.array_equal(found, images)


def test_arrays_are_bounded_together(tmp_path, monkeypatch):
    np.savez(tmp_path / "x.npz", x=np.zeros((10, 4, 4, 1), np.uint8), y=np.zeros(10, np.int64))
    monkeypatch.setattr("shiftbook.frontend.data.npz.limits", lambda: replace(Limits(), data_bytes=239))
    assert f"y in {tmp_path}/x.npz has too many bytes: 240, more than the limit of 239" in refused(
        tmp_path / "x.npz"
    )


def test_what_the_reader_says_of_a_damaged_file_is_shortened(tmp_path):
    path = tmp_path / "long.npz"
    np.savez(path, x=np.zeros((40, 5, 5, 1), np.uint8))
    damaged = bytearray(path.read_bytes())
    damaged[26:28] = (900).to_bytes(2, "little")  # the length of the member's name, which messages repeat
    path.write_bytes(damaged)
    reason = refused(path).removeprefix(f"{path} is not a readable .npz file, as numpy.savez writes it: ")
    assert reason.startswith("File name in directory")
    assert len(reason) < 1500  # of 300 characters, escaped ones included
