"""What tasks read: the network of an earlier task, and images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.network import Network
from shiftbook.golden.storage import checkpoint
from shiftbook.study.store import Store
from shiftbook.study.tasks.base import Request

if TYPE_CHECKING:
    from shiftbook.frontend.data.dataset import Dataset
    from shiftbook.frontend.options.data import DataOptions

CHECKPOINT = ".ckpt"
WEIGHTS = ".safetensors"
KEPT = 4
"""Networks and sets of images that a process keeps: tasks of the same network tend to follow each other."""


def use_one_thread() -> None:
    """Let PyTorch add numbers in one order, whatever the machine: a worker is a thread of its own."""
    import torch

    torch.set_num_threads(1)


def network_of(request: Request) -> Network:
    """The compressed network that the task needs."""
    return _network(request.store.url, request.needs["network"])


@lru_cache(maxsize=KEPT)
def _network(url: str, key: str) -> Network:
    with Store(url).path(key, CHECKPOINT) as path:
        return checkpoint.load(path)


@contextmanager
def given_weights(request: Request) -> Iterator[str | None]:
    """The file of the float network's weights: the user's, or an earlier task's; None where there is none."""
    if "weights" not in request.needs:
        yield request.places.get("weights")
        return
    with request.store.path(request.needs["weights"], WEIGHTS) as path:
        yield str(path)


def data_of(request: Request) -> DataOptions:
    """Images to train and calibrate on."""
    from shiftbook.frontend.options.data import DataOptions

    options, places = request.options, request.places
    return DataOptions(
        images=places.get("data"),
        calibration=places.get("calibration"),
        mean=options.get("mean"),
        std=options.get("std"),
    )


def images_of(options: Mapping[str, Any], place: str, channels: int | None = None) -> Dataset:
    """The images that a network is measured on, with their labels.

    Parameters
    ----------
    options
        ``digest`` of the content, ``part`` (test or all), and ``limit``, a number or None.
    place
        Where they are.
    channels
        That the network takes.
    """
    return _images(place, options["digest"], options["part"], options["limit"], channels)


@lru_cache(maxsize=KEPT)
def _images(place: str, content: str, part: Any, limit: int | None, channels: int | None) -> Dataset:
    from shiftbook.frontend.data.dataset import load
    from shiftbook.frontend.data.names import DIGITS

    source = place if place == DIGITS else Path(place)
    found = load(source, part, limit=limit, channels=channels)
    if found.labels is None:
        raise ShiftbookError(f"the images {place} have no labels: a study measures the accuracy on them")
    return found
