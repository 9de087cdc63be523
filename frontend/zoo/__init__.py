"""Networks that come with shiftbook, by name; each has a file of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from shiftbook.frontend.zoo import digits, mobilenet_v2, resnet, resnet20, vgg
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.progress import Progress


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


PHOTO_MEAN = (0.485, 0.456, 0.406)
PHOTO_STD = (0.229, 0.224, 0.225)
"""Of ImageNet, by which the networks for photographs were trained."""


def _for_photographs(build: Callable[[], nn.Module]) -> Entry:
    return Entry(build, None, None, PHOTO_MEAN, PHOTO_STD)


ENTRIES = {
    "digits": Entry(digits.Digits, digits.train, digits.DATA, digits.MEAN, digits.STD),
    "resnet20": Entry(resnet20.ResNet20, None, None, resnet20.MEAN, resnet20.STD),
    "resnet18": _for_photographs(resnet.resnet18),
    "resnet50": _for_photographs(resnet.resnet50),
    "mobilenet_v2": _for_photographs(mobilenet_v2.MobileNetV2),
    "vgg11": _for_photographs(vgg.VGG11),
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
