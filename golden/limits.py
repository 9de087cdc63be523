"""What a file may ask for, checked before anything is allocated for it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass

from shiftbook.golden.errors import ShiftbookError

VARIABLE = "SHIFTBOOK_LIMITS"
"""The environment variable that raises all limits by a factor, 1 to 1024."""

MAX_FACTOR = 1 << 10


@dataclass(frozen=True)
class Limits:
    """Bounds far above networks for photographs and their data, within which every command stays below 2 GB.

    Attributes
    ----------
    nodes
        Nodes of a network.
    tensor
        Elements of one tensor of an image, its padding included.
    tensors
        Elements of all tensors of an image.
    weights
        Weights of all layers.
    operations
        Products, and numbers that pooling looks at, for an image.
    checkpoint_bytes
        Size of a checkpoint.
    graph_bytes
        Size of its header: names, graph and checksums.
    data_bytes
        Images of an .npz file and their labels, unpacked, or of a folder, decoded.
    json_bytes
        Size of a JSON file that commands wrote, or that names ranks.
    """

    nodes: int = 1 << 10
    tensor: int = 1 << 25
    tensors: int = 1 << 28
    weights: int = 1 << 28
    operations: int = 1 << 36
    checkpoint_bytes: int = 1 << 28
    graph_bytes: int = 1 << 24
    data_bytes: int = 1 << 30
    json_bytes: int = 1 << 26

    def check(self, what: str, name: str, asked: int) -> None:
        """Refuse ``asked`` of the limit ``name``; ``what`` begins the message.

        Raises
        ------
        ShiftbookError
            More is asked than the limit allows.
        """
        most = getattr(self, name)
        if asked > most:
            shown = f"{asked:,}" if asked < 1 << 64 else f"more than 2^{asked.bit_length() - 1}"
            raise ShiftbookError(
                f"{what}: {shown}, more than the limit of {most:,}: if the file is to be trusted, set "
                f"{VARIABLE}=N in the environment, which multiplies all limits by N (1..{MAX_FACTOR})"
            )


def limits() -> Limits:
    """The limits, raised by the factor in the environment.

    Raises
    ------
    ShiftbookError
        The environment's factor is no integer in 1..1024.
    """
    text = os.environ.get(VARIABLE, "1")
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= MAX_FACTOR):
        raise ShiftbookError(f"{VARIABLE} must be an integer in 1..{MAX_FACTOR}, not {text!r:.40}")
    return Limits(**{name: most * int(text) for name, most in asdict(Limits()).items()})


class Budget:
    """Adds up what the nodes of one network ask for."""

    def __init__(self, bounds: Limits) -> None:
        self._bounds = bounds
        self._sums = dict.fromkeys(("tensors", "weights", "operations"), 0)

    def tensor(self, name: str, elements: int) -> None:
        """A tensor that a layer makes, or its padded input."""
        self._bounds.check(f"layer {name} asks for a tensor of too many elements", "tensor", elements)
        self._add(name, "tensors", "elements of tensors", elements)

    def weights(self, name: str, count: int) -> None:
        """The weights of a layer."""
        self._add(name, "weights", "weights", count)

    def operations(self, name: str, count: int) -> None:
        """The products or comparisons of a layer for one image."""
        self._add(name, "operations", "operations", count)

    def _add(self, name: str, kind: str, what: str, more: int) -> None:
        self._sums[kind] += more
        self._bounds.check(f"the network up to layer {name} asks for too many {what}", kind, self._sums[kind])
