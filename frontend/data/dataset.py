"""Images and labels: a folder of class folders, an .npz file, or the digits that come with scikit-learn."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shiftbook.frontend.data.arrays import layout_hint, maps
from shiftbook.frontend.data.depth import GREY, to_8_bits
from shiftbook.frontend.data.frame import AS_IT_IS, Frame
from shiftbook.frontend.data.labels import MAX_LABEL, class_numbers_of
from shiftbook.frontend.data.names import DIGITS, SUFFIXES
from shiftbook.frontend.data.npz import read_arrays
from shiftbook.frontend.data.scale import InputScale
from shiftbook.golden.errors import ShiftbookError, first_line, is_plain
from shiftbook.golden.inputs import check_file, shown, unreadable
from shiftbook.golden.limits import limits
from shiftbook.golden.progress import Progress, quiet

Part = Literal["train", "test", "all"]

TEST_FOLDERS = ("test", "val", "valid", "validation")
TRAIN_FOLDER = "train"
TEST_SHARE = 0.2
"""Share of the images that is held out where the source has no split of its own."""

MOVED = 256
"""Images that move within their array at a time."""

SPLIT_SEED = 0
"""Never the user's: test images of one seed would be training images of another."""


@dataclass(frozen=True)
class Dataset:
    """Images or other maps, with their labels.

    Attributes
    ----------
    images
        uint8 [N, H, W, C]; or floats that no `InputScale` has made bytes yet.
    labels
        int64 [N], or None.
    classes
        Names of the classes, perhaps none.
    """

    images: NDArray[Any]
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of an image."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    @property
    def is_float(self) -> bool:
        """Whether the images are floats."""
        return self.images.dtype.kind == "f"

    def to_bytes(self, scale: InputScale) -> Dataset:
        """The floats as bytes."""
        return replace(self, images=scale.to_bytes(self.images))

    def take(self, indices: NDArray[np.int64]) -> Dataset:
        """Some of the images, in the order asked for."""
        labels = None if self.labels is None else self.labels[indices]
        return replace(self, images=self.images[indices], labels=labels)


@dataclass(frozen=True)
class Form:
    """What the images of a folder become: their frame, and their channels, 1 or 3, where that is known."""

    frame: Frame = AS_IT_IS
    channels: int | None = None


ANY = Form()


def load(
    source: str | Path | Dataset,
    part: Part,
    *,
    limit: int | None = None,
    seed: int = 0,
    frame: Frame = AS_IT_IS,
    channels: int | None = None,
    progress: Progress = quiet,
) -> Dataset:
    """Load images and, where there are any, labels.

    Parameters
    ----------
    source
        ``"digits"``; an .npz with ``x`` and perhaps ``y``, see :func:`from_arrays`; a folder with one folder
        a class, or with ``train`` and ``test`` (or ``val``) folders of such folders, or of images alone. A
        class's number is the leading number of its folder's name where all folders have one, else its rank
        among the sorted names. Or images that are in memory already: they are left as they are.
    part
        ``"train"`` or ``"test"``: the source's own split, or else one of our own, 80 to 20, always the
        same. ``"all"``: everything where the source has no split of its own, else its test part.
    limit
        At most so many images, drawn with ``seed``.
    frame
        Of a folder's images.
    channels
        That the network takes, where that is known: the images of a folder are made grey for 1 and coloured
        for 3. Arrays keep theirs. Else the first image of a folder decides.

    Raises
    ------
    ShiftbookError
        Nothing there, no image in it, images of different shapes, labels that do not fit, or an array in
        another layout.
    """
    if limit is not None and limit < 1:
        raise ShiftbookError(f"the number of images must be at least 1, not {limit}")
    if isinstance(source, Dataset):
        check_layout(source, channels)
        return _given(source, part, limit, seed, frame)
    if frame and not os.path.isdir(source):
        raise ShiftbookError(f"resize and crop are for folders of image files, not for {shown(source)}")
    if str(source) == DIGITS:
        return _limit(_split(_digits(), "test" if part == "all" else part), limit, seed)
    path = Path(source)
    if os.path.isdir(path):
        return _folder(path, part, limit, seed, Form(frame, channels), progress)
    hint = f"it must be a folder of class folders, an .npz file or '{DIGITS}'"
    if path.suffix == ".npz":
        check_file(path, hint)
        dataset = _npz(path)
        check_layout(dataset, channels, f" in {path}")
        return _limit(_split(dataset, part), limit, seed)
    raise ShiftbookError(f"no data at {shown(source)}: {hint}")


def check_layout(dataset: Dataset, channels: int | None, where: str = "") -> None:
    """Refuse an array that has the network's channels at another place, or none at all.

    Parameters
    ----------
    channels
        That the network takes; None where that is not known.
    where
        What errors say after the name x.
    """
    hint = "" if channels is None else layout_hint(dataset.shape, channels)
    if hint:
        raise ShiftbookError(
            f"x{where} is {_text(dataset.shape)} as height, width and channels, but the network takes "
            f"{channels} channel{'s' * (channels != 1)}; {hint}"
        )


def check_shape(dataset: Dataset, shape: tuple[int, int, int]) -> None:
    """Refuse images that are not (H, W, C) = ``shape``."""
    if dataset.shape != shape:
        hint = layout_hint(dataset.shape, shape[2])
        raise ShiftbookError(
            f"the images are {_text(dataset.shape)}, but the network takes {_text(shape)}"
            f"{'; ' if hint else ''}{hint}"
        )


def check_labels(dataset: Dataset, classes: int) -> None:
    """Refuse labels that the network has no output for."""
    if dataset.labels is not None and dataset.labels.max() >= classes:
        raise ShiftbookError(
            f"the data has a label {dataset.labels.max()}, but the network has {classes} outputs: "
            f"labels must be in 0..{classes - 1}"
        )


def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    pixels = np.rint(images * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    return Dataset(pixels, labels.astype(np.int64), tuple(map(str, range(10))))


def _npz(path: Path) -> Dataset:
    arrays = read_arrays(path, ("x", "y"))
    if "x" not in arrays:
        raise ShiftbookError(f"{path} must hold an array x, uint8 [N, H, W, C] or floats")
    return from_arrays(arrays["x"], arrays.get("y"), where=f" in {path}")


def from_arrays(images: NDArray[Any], labels: NDArray[Any] | None, *, where: str = "") -> Dataset:
    """Images and labels that are arrays.

    Parameters
    ----------
    images
        uint8 [N, H, W, C], or floats; see `frontend.data.arrays.maps`.
    labels
        Integers from 0, [N] or [N, 1], or one-hot [N, classes]; or None.
    where
        What errors say after the names x and y.

    Raises
    ------
    ShiftbookError
        An array has another type or shape, a value is not finite, or a label is out of range.
    """
    images = maps(images, where)
    return Dataset(images, None if labels is None else class_numbers_of(labels, len(images), where))


def _given(dataset: Dataset, part: Part, limit: int | None, seed: int, frame: Frame) -> Dataset:
    """Some of the images that a program has in memory."""
    if frame:
        raise ShiftbookError("resize and crop are for folders of image files, not for arrays")
    if part != "all":
        dataset = dataset.take(split_indices(len(dataset), part))
    chosen = _drawn(len(dataset), limit, seed)
    return dataset if chosen is None else dataset.take(chosen)


def _split(dataset: Dataset, part: Part) -> Dataset:
    return dataset if part == "all" else _kept(dataset, split_indices(len(dataset), part))


def split_indices(count: int, part: Part) -> NDArray[np.int64]:
    """Ascending indices of the train or test part of ``count`` images; together they are all of them.

    Raises
    ------
    ShiftbookError
        There are too few images to split.
    """
    if count < 2:
        raise ShiftbookError(f"{count} image cannot be split into training and test images")
    held_out = min(max(1, round(TEST_SHARE * count)), count - 1)
    order = np.random.default_rng(SPLIT_SEED).permutation(count)
    return np.sort(order[:held_out] if part == "test" else order[held_out:])


def _limit(dataset: Dataset, limit: int | None, seed: int) -> Dataset:
    chosen = _drawn(len(dataset), limit, seed)
    return dataset if chosen is None else _kept(dataset, chosen)


def _kept(dataset: Dataset, indices: NDArray[np.int64]) -> Dataset:
    """Some of the images, in ascending order, of a data set that nobody else has.

    Most of them move within their array, so that memory never holds two of its size.
    """
    images = dataset.images
    if 2 * len(indices) < len(images):
        return dataset.take(indices)
    for first in range(0, len(indices), MOVED):
        some = indices[first : first + MOVED]
        images[first : first + len(some)] = images[some]  # from behind what is written: none is lost
    labels = None if dataset.labels is None else dataset.labels[indices]
    return replace(dataset, images=images[: len(indices)], labels=labels)


def _drawn(count: int, limit: int | None, seed: int) -> NDArray[np.int64] | None:
    """Ascending indices of ``limit`` of ``count``; None for all."""
    if limit is None or limit >= count:
        return None
    return np.sort(np.random.default_rng(seed).permutation(count)[:limit])


def _folder(path: Path, part: Part, limit: int | None, seed: int, form: Form, progress: Progress) -> Dataset:
    """A folder of class folders, with or without a split of its own; files are chosen before any is read."""
    train, test = _own_split(path)
    if train is not None and test is not None:
        # One numbering for both parts, even where one of them lacks a class.
        names = sorted({folder.name for part_path in (train, test) for folder in _subfolders(part_path)})
        files, labels = _list_files(train if part == "train" else test, names)
    else:
        names = [folder.name for folder in _subfolders(path)]
        files, labels = _list_files(path, names)
        if files and part != "all":
            chosen = split_indices(len(files), part)
            files = [files[i] for i in chosen]
            labels = labels[chosen]
    if not files:
        raise ShiftbookError(f"there are no images in {path}: it must hold folders of .jpg or .png files")
    drawn = _drawn(len(files), limit, seed)
    if drawn is not None:
        files, labels = [files[i] for i in drawn], labels[drawn]
    images = decode(files, progress, form)
    return Dataset(images, labels if names else None, _class_names(names))


def has_own_split(source: str | Path | Dataset) -> bool:
    """Whether a source says itself which images are for training."""
    if isinstance(source, Dataset):
        return False
    return str(source) == DIGITS or None not in _own_split(Path(source))


def _own_split(path: Path) -> tuple[Path | None, Path | None]:
    """The training and the test folder in a folder; both or none."""
    train = path / TRAIN_FOLDER
    test = next((path / name for name in TEST_FOLDERS if os.path.isdir(path / name)), None)
    return (train, test) if os.path.isdir(train) and test is not None else (None, None)


def _subfolders(path: Path) -> list[Path]:
    return [p for p in _entries(path) if os.path.isdir(p) and not p.name.startswith(".")]


def _entries(path: Path) -> list[Path]:
    """What is in a folder, in order."""
    try:
        return sorted(path.iterdir())
    except OSError as error:
        raise ShiftbookError(f"cannot read the folder {path}: {error.strerror}; make it readable") from error


def class_numbers(names: Sequence[str]) -> dict[str, int]:
    """Class of each folder name: its leading number where all have one, else its rank.

    Raises
    ------
    ShiftbookError
        Two folders have the same leading number, or one has a number above MAX_LABEL.
    """
    leading = {name: match for name in names if (match := re.match(r"\d+", name))}
    if len(leading) < len(names):
        return {name: rank for rank, name in enumerate(sorted(names))}
    numbers = {name: _number(name, match.group()) for name, match in leading.items()}
    by_number: dict[int, str] = {}
    for name, number in numbers.items():
        if number in by_number:
            raise ShiftbookError(f"class folders {by_number[number]} and {name} have the same leading number")
        by_number[number] = name
    return numbers


def _number(name: str, digits: str) -> int:
    """A class's number; a date or a serial number is none, and would ask for as many classes."""
    number = int(digits)
    if number > MAX_LABEL:
        raise ShiftbookError(
            f"class folder {name:.80}: the number that its name begins with must be at most {MAX_LABEL}"
        )
    return number


def _class_names(names: Sequence[str]) -> tuple[str, ...]:
    odd = next((name for name in names if not is_plain(name)), None)
    if odd is not None:
        raise ShiftbookError(f"a class folder's name must be visible characters and blanks, not {odd!r}")
    numbers = class_numbers(names)
    if max(numbers.values(), default=0) > MAX_LABEL:
        raise ShiftbookError(f"class folders must be numbered 0..{MAX_LABEL}, not {max(numbers.values())}")
    table = {number: name for name, number in numbers.items()}
    return tuple(table.get(i, str(i)) for i in range(max(table, default=-1) + 1))


def _list_files(path: Path, names: Sequence[str]) -> tuple[list[Path], NDArray[np.int64]]:
    """Image files in a fixed order and their classes; -1 for images that lie in no class folder."""
    if not names:
        files = _images_in(path)
        return files, np.full(len(files), -1, np.int64)
    numbers = class_numbers(names)
    found = [(file, numbers[name]) for name in names for file in _images_in(path / name)]
    return [file for file, _ in found], np.array([number for _, number in found], np.int64)


def _images_in(path: Path) -> list[Path]:
    if not os.path.isdir(path):
        return []
    return [p for p in _entries(path) if p.suffix.lower() in SUFFIXES and unreadable(p) is None]


def decode(files: Sequence[Path], progress: Progress = quiet, form: Form = ANY) -> NDArray[np.uint8]:
    """Decode images of one shape into one array, uint8 [N, H, W, C].

    C is the form's, or else 1 where the first image is grey and 3 where not; the others are converted. One
    process: for the small images that networks take, handing them between processes costs what a second core
    gains (5,000 32x32 JPEG files a second either way, measured on two cores).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of decoders: about what a file says beside its pixels
        return _decode(files, progress, form)


def _decode(files: Sequence[Path], progress: Progress, form: Form) -> NDArray[np.uint8]:
    images: NDArray[np.uint8] | None = None
    for i, file in enumerate(files):
        try:
            with Image.open(file) as image:
                limits().check(f"{file} has too many pixels", "tensor", image.width * image.height)
                if images is None:
                    images = _room(image, files, form)
                images[i] = _pixels(image, file, form.frame, images.shape[1:], files[0])
        except ShiftbookError:
            raise
        except Exception as error:  # a decoder's, of which there are many
            raise ShiftbookError(f"{file} is not a readable image: {first_line(error)}") from error
        if i % 500 == 0:
            progress("decoding images", i, len(files))
    progress("decoding images", len(files), len(files))
    assert images is not None
    return images


def _room(image: Image.Image, files: Sequence[Path], form: Form) -> NDArray[np.uint8]:
    """An array for all images, which get the shape of the first; refused before it is decoded."""
    width, height = form.frame.size(image.size, files[0])
    own = 1 if image.mode in GREY else 3
    shape = height, width, form.channels if form.channels in (1, 3) else own
    what = f"the images in {files[0].parent}, {len(files):,} of {_text(shape)}, have too many bytes"
    limits().check(what, "data_bytes", len(files) * prod(shape))
    return np.empty((len(files), *shape), np.uint8)


def _pixels(
    image: Image.Image, file: Path, frame: Frame, shape: tuple[int, ...], first: Path
) -> NDArray[np.uint8]:
    """The pixels of an image that must have a shape; what its header says is checked before it is decoded."""
    width, height = frame.size(image.size, file)
    _check_same((height, width, shape[2]), file, shape, first)
    image, mode = to_8_bits(image, file), "L" if shape[2] == 1 else "RGB"
    pixels = np.asarray(frame(image if image.mode == mode else image.convert(mode), file))
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    _check_same(pixels.shape, file, shape, first)
    return pixels


def _check_same(found: tuple[int, ...], file: Path, shape: tuple[int, ...], first: Path) -> None:
    if found != shape:
        raise ShiftbookError(
            f"all images must have one shape: {file} is {_text(found)}, "
            f"{first} is {_text(shape)}; resize and crop give them one"
        )


def _text(shape: tuple[int, ...]) -> str:
    """A shape for people."""
    return "x".join(map(str, shape))
