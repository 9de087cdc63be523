"""What every layer of a traced network answers."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from shiftbook.frontend.graph.functions import keeps_sign, never_negative
from shiftbook.frontend.quantization.affine import Affine, Reals
from shiftbook.frontend.quantization.tabulated import tabulated
from shiftbook.golden.model.function_table import FunctionTable
from shiftbook.golden.model.integer import LARGEST_ACTIVATION
from shiftbook.golden.model.nodes import Node
from shiftbook.golden.spec import Spec

Activation = Literal["relu", "relu6"]

UNLIMITED = (-math.inf, math.inf)

RANGES: dict[Activation | None, tuple[float, float]] = {
    None: UNLIMITED,
    "relu": (0.0, math.inf),
    "relu6": (0.0, 6.0),
}
"""Lowest and highest value that an activation leaves."""


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
    """A layer whose requantizer can apply an activation, limits beside it, and then functions.

    ``functions`` follow the clamps, one after another; a single table has all of them.
    """

    activation: Activation | None = None
    limits: tuple[float, float] = UNLIMITED
    functions: tuple[nn.Module, ...] = ()

    @abstractmethod
    def sums(self, *inputs: Tensor) -> Tensor:
        """What its requantizer makes of [N, C, H, W], clamped, before its functions."""

    def __call__(self, *inputs: Tensor) -> Tensor:
        return self.function(self.sums(*inputs))

    @property
    def before(self) -> str:
        """Name of the tensor that its functions take, which is nowhere stored."""
        return f"{self.name}:before"

    @property
    def clamped(self) -> bool:
        """Whether it does anything to its sums."""
        return self.ends != UNLIMITED or bool(self.functions)

    @property
    def never_negative(self) -> bool:
        """Whether its output is known to have no values below 0."""
        known = self.ends[0] >= 0
        for function in self.functions:
            known = never_negative(function) or (known and keeps_sign(function))
        return known

    @property
    def ends(self) -> tuple[float, float]:
        """What activation and limits leave."""
        least, most = RANGES[self.activation]
        return max(least, self.limits[0]), min(most, self.limits[1])

    def clamps(self, target: Affine) -> tuple[int, int]:
        """Lowest and highest integer of its output."""
        low, high = self.ends
        return _integer(low, target), _integer(high, target)

    def clamp(self, x: Tensor) -> Tensor:
        """Do to real sums what the requantizer does."""
        x = activate(x, self.activation)
        return x if self.limits == UNLIMITED else x.clamp(*self.limits)

    def function(self, x: Tensor) -> Tensor:
        """All its functions of real clamped sums."""
        for function in self.functions:
            x = function(x)
        return x

    @torch.no_grad()
    def exactly(self, x: Reals) -> Reals:
        """The same in float64."""
        functions = copy.deepcopy(nn.Sequential(*self.functions)).double()
        return functions(torch.from_numpy(x)).numpy()

    def steps(self, calibration: Mapping[str, Affine]) -> tuple[Affine, FunctionTable | None]:
        """What the integers of its requantizer stand for, and the table from them to its output's."""
        target = calibration[self.name]
        if not self.functions:
            return target, None
        before = calibration[self.before]
        return before, tabulated(self.exactly, before, target)


def _integer(real: float, target: Affine) -> int:
    """The integer that stands for an end of a range."""
    if math.isinf(real):
        return 0 if real < 0 else LARGEST_ACTIVATION
    return min(max(target.zero_point + round(real / target.scale), 0), LARGEST_ACTIVATION)


def activate(x: Tensor, activation: Activation | None) -> Tensor:
    """Apply a layer's clamp."""
    if activation is None:
        return x
    return functional.relu(x) if activation == "relu" else functional.relu6(x)
