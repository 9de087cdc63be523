"""What tasks read: the network of an earlier task, and images."""

from __future__ import annotations

from collections.abc import Mapping
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
    return network_with(request, "network")


def network_with(request: Request, role: str) -> Network:
    """The compressed network that the task needs in a role."""
    return _network(request.store.url, request.needs[role])


@lru_cache(maxsize=KEPT)
def _network(url: str, key: str) -> Network:
    with Store(url).path(key, CHECKPOINT) as path:
        return checkpoint.load(path)


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
