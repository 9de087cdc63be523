"""What every layer of a traced network answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.nn import functional

from shiftbook.frontend.quantization.affine import Affine
from shiftbook.golden.model.integer import LARGEST_ACTIVATION
from shiftbook.golden.model.nodes import Node
from shiftbook.golden.spec import Spec

Activation = Literal["relu", "relu6"]


@dataclass(kw_only=True)
class Layer(ABC):
    """One pass over its inputs. ``name`` is unique, and that of its output."""

    name: str

    @property
    @abstractmethod
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that it reads, in the order in which it takes them."""

    @abstractmethod
    def __call__(self, *inputs: Tensor) -> Tensor:
        """The layer in floating point on [N, C, H, W]."""

    @property
    def requantizes(self) -> bool:
        """Whether its output can have a scale of its own; else it hands integers of its inputs on."""
        return False


class PlainLayer(Layer):
    """A layer without weights."""

    @abstractmethod
    def lower(self, calibration: Mapping[str, Affine], spec: Spec) -> Node:
        """The node of the integer network.

        Parameters
        ----------
        calibration
            Scale and zero point by tensor name.
        spec
            Widths of the requantizer.

        Raises
        ------
        ShiftbookError
            The requantizer's widths do not hold its gain; names the layer.
        """


@dataclass(kw_only=True)
class ClampedLayer(Layer):
    """A layer whose requantizer can apply an activation."""

    activation: Activation | None = None

    def clamps(self, target: Affine) -> tuple[int, int]:
        """Lowest and highest integer of its output."""
        if self.activation is None:
            return 0, LARGEST_ACTIVATION
        if self.activation == "relu":
            return target.zero_point, LARGEST_ACTIVATION
        return target.zero_point, min(LARGEST_ACTIVATION, target.zero_point + round(6 / target.scale))


def activate(x: Tensor, activation: Activation | None) -> Tensor:
    """Apply a layer's clamp."""
    if activation is None:
        return x
    return functional.relu(x) if activation == "relu" else functional.relu6(x)
