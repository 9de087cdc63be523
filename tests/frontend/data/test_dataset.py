import re

import numpy as np
import pytest
from PIL import Image

from shiftbook.frontend.data.dataset import (
    check_labels,
    check_shape,
    class_numbers,
    has_own_split,
    load,
    split_indices,
)
from shiftbook.frontend.data.frame import Frame
from shiftbook.golden.errors import ShiftbookError

PARTS = ("train", "test", "all")


def paint(path, value, size=(6, 4), mode="RGB"):
    """Write an image of one colour; size is (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value, 0, 255 - value)).save(path)


def folders(path, names, images=1):
    for index, name in enumerate(names):
        for i in range(images):
            paint(path / name / f"{i:02}.png", 10 * index + i)
    return path


def test_class_is_the_leading_number_where_all_folders_have_one(tmp_path):
    dataset = load(folders(tmp_path, ["07_cat", "2_dog", "110"]), "all")
    assert sorted(dataset.labels.tolist()) == [2, 7, 110]
    assert dataset.images.shape == (3, 4, 6, 3)
    assert dataset.classes[7] == "07_cat"
    assert dataset.classes[3] == "3"
    by_label = dict(zip(dataset.labels.tolist(), dataset.images[:, 0, 0, 0].tolist(), strict=True))
    assert by_label == {7: 0, 2: 10, 110: 20}


def test_class_is_the_rank_where_a_folder_has_no_number(tmp_path):
    dataset = load(folders(tmp_path, ["7cat", "dog", "ant"]), "all")
    assert dataset.classes == ("7cat", "ant", "dog")
    assert dataset.labels.tolist() == [0, 1, 2]
    assert dataset.images[:, 0, 0, 0].tolist() == [0, 20, 10]


def test_two_folders_with_one_number_are_refused():
    with pytest.raises(ShiftbookError, match="1_a and 01_b have the same leading number"):
        class_numbers(["1_a", "01_b"])


@pytest.mark.parametrize("name", ["test", "val"])
def test_a_split_of_the_folders_own_is_kept(tmp_path, name):
    folders(tmp_path / "train", ["a", "b", "c"], images=3)
    folders(tmp_path / name, ["a", "c"], images=2)
    assert has_own_split(tmp_path)
    assert len(load(tmp_path, "train")) == 9
    for part in ("test", "all"):
        held_out = load(tmp_path, part)
        assert held_out.labels.tolist() == [0, 0, 2, 2], "classes are numbered over both parts"
        assert held_out.classes == ("a", "b", "c")


def test_without_a_split_there_is_one_whatever_the_seed(tmp_path):
    folders(tmp_path, ["a", "b"], images=10)
    assert not has_own_split(tmp_path)
    parts = {part: load(tmp_path, part, seed=3).images[:, 0, 0, 0].tolist() for part in PARTS}
    assert len(parts["test"]) == 4
    assert sorted(parts["train"] + parts["test"]) == sorted(parts["all"])
    # Test images of one seed would be training images of another.
    assert parts["test"] == load(tmp_path, "test", seed=4).images[:, 0, 0, 0].tolist()


def test_limit_draws_with_the_seed(tmp_path):
    folders(tmp_path, ["a", "b"], images=10)
    drawn = load(tmp_path, "all", limit=6, seed=1)
    assert len(drawn) == 6
    assert set(drawn.labels.tolist()) == {0, 1}, "not just the first of them"
    assert np.array_equal(drawn.images, load(tmp_path, "all", limit=6, seed=1).images)
    assert len(load(tmp_path, "all", limit=100)) == 20


def test_images_without_class_folders_have_no_labels(tmp_path):
    for i in range(3):
        paint(tmp_path / f"{i}.png", i)
    (tmp_path / "notes.txt").write_text("no image")
    dataset = load(tmp_path, "all")
    assert dataset.labels is None
    assert dataset.images[:, 0, 0, 0].tolist() == [0, 1, 2]


def test_grey_images_have_one_channel_and_colours_three(tmp_path):
    paint(tmp_path / "grey" / "a" / "0.png", 77, mode="L")
    paint(tmp_path / "grey" / "a" / "1.png", 77)
    grey = load(tmp_path / "grey", "all")
    assert grey.images.shape == (2, 4, 6, 1)
    assert (grey.images[0] == 77).all()
    paint(tmp_path / "mixed" / "a" / "0.png", 77)
    paint(tmp_path / "mixed" / "a" / "1.png", 99, mode="L")
    mixed = load(tmp_path / "mixed", "all").images
    assert (mixed[1] == 99).all()
    assert mixed.shape == (2, 4, 6, 3)


def test_jpeg_pixels_are_pillows(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    (tmp_path / "a").mkdir()
    Image.fromarray(pixels).save(tmp_path / "a" / "0.jpg")
    with Image.open(tmp_path / "a" / "0.jpg") as image:
        expected = np.asarray(image)
    assert np.array_equal(load(tmp_path, "all").images[0], expected)


def test_photographs_of_any_size_get_one_shape(tmp_path):
    for name, size in (("wide", (40, 20)), ("tall", (30, 47)), ("small", (9, 10))):
        paint(tmp_path / "a" / f"{name}.png", 50, size)
    assert load(tmp_path, "all", frame=Frame(resize=20, crop=16)).images.shape == (3, 16, 16, 3)
    with pytest.raises(ShiftbookError, match=r"one shape: .*tall\.png is .*; resize and crop give them one"):
        load(tmp_path, "all")
    with pytest.raises(ShiftbookError, match=r"small\.png is 10x9, too small to cut 16x16 from: resize it"):
        load(tmp_path, "all", frame=Frame(crop=16))


def test_the_middle_is_cut_from_the_resized_image():
    rows, cols = np.mgrid[:20, :40]
    image = Image.fromarray(np.stack([10 * rows, 5 * cols, 0 * rows], 2).astype(np.uint8))
    cut = np.asarray(Frame(crop=10)(image, "it"))
    assert np.array_equal(cut, np.asarray(image)[5:15, 15:25])
    resized = Frame(resize=10)(image, "it")
    assert resized.size == (20, 10), "the shorter side counts"
    assert (
        np.asarray(Frame(resize=10, crop=10)(image, "it")).tolist() == np.asarray(resized)[:, 5:15].tolist()
    )
    assert Frame()(image, "it") is image
    assert Frame(resize=7)(Image.new("L", (20, 1000)), "it").size == (7, 350)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, None), "resize must be at least 1 pixel, not 0"),
        ((None, -2), "crop must be at least 1 pixel, not -2"),
        ((224, 256), "crop must be at most resize, which is 224, not 256"),
    ],
)
def test_frames_that_make_no_sense(arguments, message):
    with pytest.raises(ShiftbookError, match=re.escape(message)):
        Frame(*arguments)


def test_only_folders_are_framed():
    with pytest.raises(
        ShiftbookError, match="resize and crop are for folders of image files, not for digits"
    ):
        load("digits", "all", frame=Frame(crop=4))


def test_the_network_decides_how_many_channels_a_folder_has(tmp_path):
    paint(tmp_path / "a" / "0.png", 77)
    paint(tmp_path / "a" / "1.png", 99, mode="L")
    luma = np.asarray(Image.new("RGB", (1, 1), (77, 0, 178)).convert("L")).item()
    assert load(tmp_path, "all", channels=1).images[:, 0, 0].tolist() == [[luma], [99]]
    assert load(tmp_path, "all", channels=3).images[:, 0, 0].tolist() == [[77, 0, 178], [99, 99, 99]]
    (tmp_path / "a" / "0.png").unlink()
    assert load(tmp_path, "all", channels=3).images.shape == (1, 4, 6, 3), "not its first image"
    assert load(tmp_path, "all", channels=16).images.shape == (1, 4, 6, 1), "no convolution of images"


def test_digits_are_split_once_and_for_all():
    train, test, every = (load("digits", part) for part in ("train", "test", "all"))
    assert (len(train), len(test)) == (1438, 359)
    assert np.array_equal(every.images, test.images), (
        "all means the held-out part: the zoo model saw the others"
    )
    assert test.images.shape[1:] == (8, 8, 1)
    assert test.images.max() == 255
    assert test.classes == tuple("0123456789")


def test_npz(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (10, 5, 4, 3), dtype=np.uint8), rng.integers(0, 4, 10, dtype=np.uint8)
    np.savez(tmp_path / "with.npz", x=x, y=y)
    np.savez(tmp_path / "without.npz", x=x)
    dataset = load(tmp_path / "with.npz", "all")
    assert np.array_equal(dataset.images, x)
    assert np.array_equal(dataset.labels, y)
    assert load(tmp_path / "without.npz", "all").labels is None
    assert len(load(tmp_path / "with.npz", "test")) == 2
    assert len(load(tmp_path / "with.npz", "train", limit=3)) == 3


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros(3)}, "must hold an array x"),
        ({"x": np.zeros((2, 3, 3, 1), int)}, "x in .* must be uint8 [N, H, W, C], not int64 [2, 3, 3, 1]"),
        ({"x": np.zeros((2, 3, 3), np.uint8)}, "must be uint8 [N, H, W, C], not uint8 [2, 3, 3]"),
        ({"x": np.zeros((0, 3, 3, 1), np.uint8)}, "has no images: its shape is [0, 3, 3, 1]"),
        (
            {"x": np.zeros((2, 3, 3, 1), np.uint8), "y": np.zeros(3, int)},
            "must be 2 integers from 0, not int64 [3]",
        ),
        ({"x": np.zeros((2, 3, 3, 1), np.uint8), "y": np.array([0, -1])}, "must be 2 integers from 0"),
        ({"x": np.zeros((2, 3, 3, 1), np.uint8), "y": np.zeros(2)}, "must be 2 integers from 0, not float64"),
    ],
)
def test_bad_npz(tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ShiftbookError, match=re.escape(message).replace(r"\.\*", ".*")):
        load(tmp_path / "bad.npz", "all")


def test_unreadable_files_are_named(tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"not a zip")
    with pytest.raises(ShiftbookError, match=r"bad\.npz is not a readable \.npz file"):
        load(tmp_path / "bad.npz", "all")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "0.jpg").write_bytes(b"not a picture")
    with pytest.raises(ShiftbookError, match=r"0\.jpg is not a readable image"):
        load(tmp_path, "all")


def test_nothing_there(tmp_path):
    with pytest.raises(ShiftbookError, match=r"no data at .*missing: it must be a folder of class folders"):
        load(tmp_path / "missing", "all")
    (tmp_path / "empty" / "class").mkdir(parents=True)
    for path in (tmp_path / "empty", tmp_path / "empty" / "class"):
        for part in ("all", "train"):
            with pytest.raises(ShiftbookError, match="there are no images in"):
                load(path, part)


def test_shapes_and_labels_that_do_not_fit_quote_both(tmp_path):
    paint(tmp_path / "a" / "0.png", 1)
    paint(tmp_path / "a" / "1.png", 1, size=(7, 4))
    with pytest.raises(ShiftbookError, match=r"1\.png is 4x7x3, .*0\.png is 4x6x3"):
        load(tmp_path, "all")
    dataset = load("digits", "test", limit=50)
    with pytest.raises(ShiftbookError, match="the images are 8x8x1, but the network takes 32x32x3"):
        check_shape(dataset, (32, 32, 3))
    with pytest.raises(ShiftbookError, match="has a label 9, but the network has 9 outputs"):
        check_labels(dataset, 9)
    check_labels(dataset, 10)


def test_one_image_cannot_be_split():
    assert [len(split_indices(2, part)) for part in ("train", "test")] == [1, 1]
    with pytest.raises(ShiftbookError, match="1 image cannot be split"):
        split_indices(1, "train")
    with pytest.raises(ShiftbookError, match="the number of images must be at least 1, not 0"):
        load("digits", "test", limit=0)
