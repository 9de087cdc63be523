"""Every channel, or every pixel, times a number that is computed from the image: squeeze-and-excite."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from shiftbook.frontend.fusing.layer import ClampedLayer, PlainLayer
from shiftbook.frontend.quantization.affine import Affine
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.nodes import Gate
from shiftbook.golden.model.weights import Requantize
from shiftbook.golden.spec import Spec


@dataclass(kw_only=True)
class GateLayer(ClampedLayer, PlainLayer):
    """``source * gate``, where ``gate`` has one pixel or the source's shape, and is never negative.

    The requantizer has no factor but the gate itself, so that the scales must differ by a power of two:
    `frontend.post_training.gate_scales` sees to it.
    """

    source: str
    gate: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.source, self.gate

    @property
    def requantizes(self) -> bool:
        return True

    @property
    def target(self) -> str:
        """Name of what its requantizer makes."""
        return self.before if self.functions else self.name

    def sums(self, *inputs: Tensor) -> Tensor:
        source, gate = inputs
        return self.clamp(source * gate)

    def exponent(self, calibration: Mapping[str, Affine]) -> float:
        """The shift behind the product, a whole number where the scales fit."""
        source, gate, target = (calibration[name].scale for name in (self.source, self.gate, self.target))
        return math.log2(target / (source * gate))

    def lower(self, calibration: Mapping[str, Affine], spec: Spec) -> Gate:
        target, function = self.steps(calibration)
        shift = round(self.exponent(calibration))
        if abs(shift - self.exponent(calibration)) > 1e-6 or calibration[self.gate].zero_point:
            raise ShiftbookError(
                f"layer {self.name}: its output's scale must be a power of two times its source's times its "
                f"gate's, and the zero point of its gate {self.gate} must be 0"
            )
        low, high = self.clamps(target)
        return Gate(
            self.name,
            self.source,
            self.gate,
            Requantize(
                bias=np.array([-calibration[self.source].zero_point]),
                multiplier=np.array([1]),
                shift=np.array([shift]),
                zero_point=target.zero_point,
                low=low,
                high=high,
                function=function,
            ),
        )
