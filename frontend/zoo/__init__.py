"""Networks that come with shiftbook, by name; each has a file of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from frontend.progress import Progress
from frontend.zoo import digits, resnet20
from golden.errors import ShiftbookError


@dataclass(frozen=True)
class Entry:
    """One network.

    Parameters
    ----------
    build
        The untrained network.
    train
        ``train(seed, progress)`` trains it on the spot; None where weights must be given.
    data
        What it is trained and measured on, where that comes with shiftbook.
    mean, std
        Its input normalization, one value a channel.
    """

    build: Callable[[], nn.Module]
    train: Callable[[int, Progress], nn.Module] | None
    data: str | None
    mean: tuple[float, ...]
    std: tuple[float, ...]


ENTRIES = {
    "digits": Entry(digits.Digits, digits.train, digits.DATA, digits.MEAN, digits.STD),
    "resnet20": Entry(resnet20.ResNet20, None, None, resnet20.MEAN, resnet20.STD),
}


def get(name: str) -> Entry:
    """The entry called ``name``.

    Raises
    ------
    ShiftbookError
        There is none.
    """
    if name not in ENTRIES:
        raise ShiftbookError(f"the zoo has {', '.join(ENTRIES)}, not {name!r}")
    return ENTRIES[name]
