"""What a tensor that depends on the image stands for.

Reading a model runs it once on an example of ``BATCH`` images. Each of its tensors is then a value of the
graph, perhaps with its elements moved: views, slices, transposes and flips compute nothing, so they only
change the *index*, which says of each element of the tensor which element of the value it is. What all the
moves together amount to is found out when an operation needs the tensor (`movement`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

BATCH = 2
"""Images in the example: what belongs to one image and what does not is then told apart."""

ZERO = -1
"""Index of an element that is a constant zero."""


@dataclass(frozen=True)
class Value:
    """A tensor of the model as the graph knows it.

    Attributes
    ----------
    node
        Name of the value that the elements are from.
    shape
        The shape of that value for one image.
    index
        int64, of the tensor's own shape with the batch: numbers of elements of the value for the whole
        batch, or ``ZERO``. None where the tensor is the value, element for element.
    mover
        Path of the module of the user's model that moved the elements last; empty for one that has others.
    """

    node: str
    shape: tuple[int, ...]
    index: Tensor | None = None
    mover: str = ""

    @property
    def elements(self) -> int:
        """Elements of the value for one image."""
        return int(torch.Size(self.shape).numel())

    @property
    def dims(self) -> tuple[int, ...]:
        """Shape of the tensor, batch first."""
        return (BATCH, *self.shape) if self.index is None else tuple(self.index.shape)

    def indices(self) -> Tensor:
        """The index, made where there is none."""
        if self.index is not None:
            return self.index
        return torch.arange(BATCH * self.elements).reshape(BATCH, *self.shape)

    def moved(self, index: Tensor, mover: str = "") -> Value:
        """The same value under another index."""
        same = tuple(index.shape) == (BATCH, *self.shape) and in_order(index)
        return replace(self, index=None if same else index, mover=mover or self.mover)

    def of_one(self) -> Tensor | None:
        """The index within one image, or None where images are mixed or the batch is not first."""
        index = self.indices()
        if index.dim() == 0 or len(index) != BATCH:
            return None
        first, second = index[0], index[1]
        shifted = torch.where(first == ZERO, ZERO, first + self.elements)
        if not torch.equal(second, shifted) or (first >= self.elements).any():
            return None
        return first


def in_order(index: Tensor) -> bool:
    """Whether the elements are 0, 1, 2, ... in the order of memory."""
    return torch.equal(index.flatten(), torch.arange(index.numel()))


@dataclass(frozen=True)
class Unreadable:
    """A tensor that the graph cannot know.

    Attributes
    ----------
    what
        For people.
    """

    what: str
