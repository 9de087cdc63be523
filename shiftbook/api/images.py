"""Images and labels in every form that a program may have them in."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from shiftbook.api.arguments import maybe, path_of, whole, wrong
from shiftbook.frontend.data.frame import Frame
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.validate import class_count
from shiftbook.golden.progress import Progress, quiet

if TYPE_CHECKING:
    from shiftbook.frontend.data.dataset import Dataset, Part

Labels = NDArray[np.int64]

Values: TypeAlias = "NDArray[np.uint8] | NDArray[np.floating[Any]]"
"""uint8 [N, H, W, C]; or floats, [N, H, W, C], [N, L, C] or [N, L]."""

Pair: TypeAlias = "tuple[Values, NDArray[Any] | None]"
"""x, and y integers [N] or [N, 1], one-hot rows [N, classes], or None."""

Data: TypeAlias = "str | os.PathLike[str] | Pair | Dataset"
"""A folder of class folders, an .npz file, ``"digits"``, a pair of arrays, or what `images` gives."""

Images: TypeAlias = "Values | Data"
"""Images that need no labels: an array, or any `Data`."""

RIGHT = "a path, 'digits', a pair (x, y) of arrays, or a Dataset"


def source_of(name: str, data: object) -> str | Path | Dataset:
    """Images as `frontend.data.dataset.load` takes them; arrays are checked.

    Parameters
    ----------
    name
        Of the argument, for errors.
    data
        A `Data`, a Dataset, or an array of images alone.

    Raises
    ------
    ShiftbookError
        It is none of them, or an array has another type or shape.
    """
    from shiftbook.frontend.data.dataset import Dataset, from_arrays
    from shiftbook.frontend.data.names import DIGITS

    if isinstance(data, Dataset):
        return replace(
            from_arrays(_array(f"images of {name}", data.images), data.labels), classes=data.classes
        )
    if isinstance(data, np.ndarray):
        return from_arrays(data, None)
    if isinstance(data, tuple | list):
        if len(data) != 2:
            raise ShiftbookError(f"{name} must be {RIGHT}, not {len(data)} values")
        images, labels = data
        return from_arrays(_array("x", images), None if labels is None else _array("y", labels))
    if isinstance(data, str) and data == DIGITS:
        return data
    if isinstance(data, str | os.PathLike):
        return path_of(name, data)
    raise wrong(name, RIGHT, data)


def _array(name: str, value: object) -> NDArray[Any]:
    if not isinstance(value, np.ndarray):
        raise wrong(name, "a NumPy array", value)
    return value


def frame_of(resize: object, crop: object) -> Frame:
    """The shape that the photographs of folders get.

    Raises
    ------
    ShiftbookError
        Something else than pixels, or a crop that is larger than what it is cut from.
    """
    return Frame(maybe(whole, "resize", resize, 1), maybe(whole, "crop", crop, 1))


def images(
    data: Images,
    *,
    part: Part = "all",
    limit: int | None = None,
    resize: int | None = Frame.resize,
    crop: int | None = Frame.crop,
    channels: int | None = None,
    progress: Progress = quiet,
) -> Dataset:
    """Load images with their labels.

    Parameters
    ----------
    data
        See `Images`.
    part
        ``"train"`` or ``"test"``: the source's own split, or else one of four to one. ``"all"``: the test
        part where the source has one of its own, else everything.
    limit
        At most so many, drawn with a fixed seed.
    resize, crop
        Pixels. Photographs in folders are resized, so that their shorter side has ``resize``; then a square
        with sides of ``crop`` is cut from the middle. None leaves them as they are.
    channels
        Make the images of a folder grey (1) or coloured (3). None leaves that to its first image.
    progress
        Called as ``progress(what, done, total)``.

    Returns
    -------
    ``images`` uint8 [N, H, W, C] (floats stay floats), ``labels`` int64 [N] or None, and ``classes``, their
    names.

    Raises
    ------
    ShiftbookError
        There are no such images, or labels do not fit them.
    """
    from shiftbook.frontend.data.dataset import Part, load

    if part not in get_args(Part):
        raise wrong("part", f"one of {', '.join(get_args(Part))}", part)
    most, wanted = maybe(whole, "limit", limit, 1), maybe(whole, "channels", channels, 1)
    frame = frame_of(resize, crop)
    source = source_of("images", data)
    return load(source, part, limit=most, frame=frame, channels=wanted, progress=progress)


def labels_of(dataset: Dataset, network: Network) -> Labels | None:
    """The data's labels by the network's own numbers: by name where both sides name their classes.

    None where there are none, or where the network gives no class scores.

    Raises
    ------
    ShiftbookError
        The network has no output for a label.
    """
    from shiftbook.frontend.data.dataset import check_labels

    classes = class_count(network)
    if dataset.labels is None or classes is None:
        return None
    names, known = dataset.classes, {name: number for number, name in enumerate(network.classes)}
    if names != network.classes and names and set(names) <= set(known):
        # a folder that lacks some classes numbers the others differently
        return np.array([known[name] for name in names])[dataset.labels]
    check_labels(dataset, classes)
    return dataset.labels
