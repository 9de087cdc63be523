"""What every kind of node answers: what it reads, what it makes of it, and what that takes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.limits import Budget
from shiftbook.golden.model.weights import Requantize

Shape = tuple[int, int, int]
"""Height, width and channels of a tensor."""

Activations = NDArray[np.uint8]


@dataclass(frozen=True)
class Node(ABC):
    """One layer of a network. It makes one tensor, which has its name.

    To add a kind of node: a class here, its entry in a checkpoint (`golden.storage.nodes`), its passes on the
    accelerator (`golden.mapping.nodes`) and what the front end makes of a PyTorch layer.
    """

    name: str

    @property
    @abstractmethod
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that it reads."""

    @abstractmethod
    def shape(self, inputs: Sequence[Shape]) -> Shape:
        """Shape of its tensor.

        Raises
        ------
        ShiftbookError
            The shapes of its inputs do not fit it, or each other.
        """

    @abstractmethod
    def run(self, inputs: Sequence[Activations], zero_points: Sequence[int]) -> Activations:
        """Its tensor [N, h, w, c], from its inputs [N, h, w, c] and their zero points."""

    def role(self, number: int) -> str:
        """What the input of this number is to it, for messages."""
        return "source"

    def zero_point(self, inputs: Sequence[int]) -> int:
        """Zero point of its tensor, from the zero points of its inputs."""
        return inputs[0]

    @property
    def requantizer(self) -> Requantize | None:
        """What makes its activations; None where it hands those of its inputs on."""
        return None

    def texts(self) -> list[tuple[str, str]]:
        """What it has to show to people: what it is, and its text."""
        return [("a layer's name", self.name)]

    def check(self, slots: int, zero_points: Sequence[int]) -> None:
        """Raise a ShiftbookError, naming the layer, unless its parameters are in range.

        Parameters
        ----------
        slots
            Weight slots that the network is coded for.
        zero_points
            Of its inputs.
        """
        return

    def check_inputs(self, known: Container[str]) -> None:
        """Raise a ShiftbookError unless all inputs are earlier tensors."""
        for number, name in enumerate(self.inputs):
            if name not in known:
                raise ShiftbookError(
                    f"layer {self.name}: its {self.role(number)} {name!r} is no earlier layer"
                )

    def spend(self, budget: Budget, inputs: Sequence[Shape], output: Shape) -> None:
        """Count what running it takes: memory, and work."""
        budget.tensor(self.name, prod(output))


def shape_text(shape: Shape) -> str:
    """A shape for a message."""
    return "x".join(map(str, shape))
