"""Focused quantization: powers of two around the two clusters that pruning leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from shiftbook.frontend.schemes.base import Quantizer, Scheme, best_scale
from shiftbook.frontend.schemes.mixture import Mixture, fit_mixture
from shiftbook.frontend.schemes.shift import Shift, shift_levels
from shiftbook.golden.errors import ShiftbookError

Component = Literal["argmax", "sampled"]

SEPARATION = 2.0
"""Below this Wasserstein separation a layer has one cluster and takes the plain shift grid."""

HIGHEST_MEAN = 6
"""2^6 + 2^5 is the largest value that stays below 128 with every part a power of two."""


class FocusedQuantizer(Quantizer):
    """Rounds to ``c * 2^mean_exponent + shift part``, with c the sign of the weight's component.

    Parameters
    ----------
    mixture
        Decides the component of a weight by its posterior; None decides by the sign.
    levels
        float32 [K]: shift parts, ascending.
    mean_exponent
        m: the components' means are +-2^m steps.
    positive
        bool [O, I, kh, kw], components fixed beforehand, e.g. sampled; None decides anew for any weight.
    """

    def __init__(
        self,
        mixture: Mixture | None,
        levels: Tensor,
        mean_exponent: int,
        step: Tensor,
        mask: Tensor,
        facts: Mapping[str, object],
        positive: Tensor | None = None,
    ) -> None:
        super().__init__(step, mask, "focused", facts)
        self.mixture = mixture
        self.levels = levels
        self.bounds = (levels[1:] + levels[:-1]) / 2
        self.mean = 2.0**mean_exponent
        self.positive = positive
        self.by_place = positive is not None

    def component(self, scaled: Tensor) -> Tensor:
        """Return +1 or -1 for each of the weights ``scaled`` (in steps)."""
        if self.positive is not None:
            positive = self.positive
        elif self.mixture is not None:
            positive = self.mixture.is_positive(scaled * self.step)
        else:
            positive = scaled > 0
        return torch.where(positive, 1.0, -1.0)

    def nearest(self, scaled: Tensor) -> Tensor:
        mean = self.component(scaled) * self.mean
        return mean + self.levels[torch.bucketize(scaled - mean, self.bounds, right=True)]


class Focused(Scheme):
    """n-bit focused: a bit of component and an (n-1)-bit shift part; n-bit shift where there is one cluster.

    Both means are the same power of two of the grid and both deviations are folded into the step, so
    that the hardware adds ``+-2^m`` and one shifted activation.

    Parameters
    ----------
    bits
        4..8. Shift parts have exponents 0..2^(bits-3)-1, never beyond 5.
    component
        "argmax": the likelier component of a weight, decided anew whenever it is rounded. "sampled": drawn
        once, when the grid is fitted, with the posterior's probabilities.
    mean_exponent
        m. None takes one more than the largest exponent of a shift part (4 at 5 bits): the two clusters
        then just do not overlap, from 8 to 24 steps at 5 bits.
    """

    name = "focused"
    help = "powers of two around two means"
    lowest_bits = 4
    highest_bits = 8

    def __init__(
        self, bits: int = 5, *, component: Component = "argmax", mean_exponent: int | None = None
    ) -> None:
        super().__init__(bits)
        if component not in get_args(Component):
            raise ShiftbookError(f"component must be one of {get_args(Component)}, not {component!r}")
        if mean_exponent is not None and not 0 <= mean_exponent <= HIGHEST_MEAN:
            raise ShiftbookError(f"mean_exponent must be in 0..{HIGHEST_MEAN}, not {mean_exponent}")
        self.component = component
        self.exponents = min(2 ** (bits - 3), HIGHEST_MEAN)
        self.mean_exponent = self.exponents if mean_exponent is None else mean_exponent

    def values(self) -> frozenset[int]:
        parts = [int(level) for level in shift_levels(self.exponents)]
        means = -(1 << self.mean_exponent), 1 << self.mean_exponent
        return Shift(self.bits).values() | {mean + part for mean in means for part in parts}

    def alternatives(self) -> Sequence[Scheme]:
        return self, Shift(self.bits)

    def fit(self, weight: Tensor, mask: Tensor, generator: torch.Generator) -> Quantizer:
        weight = weight.detach()
        mixture = fit_mixture(weight[mask])
        if mixture is None or mixture.separation < SEPARATION:
            quantizer = Shift(self.bits).fit(weight, mask, generator)
            quantizer.facts["mixture"] = None if mixture is None else mixture.as_json()
            return quantizer
        positive = None
        if self.component == "sampled":
            draw = torch.rand(weight.shape, generator=generator, dtype=torch.float64)
            positive = draw < mixture.posterior(weight.double())
        mean = (mixture.mean[1] - mixture.mean[0]) / 2
        focused = FocusedQuantizer(
            mixture=mixture,
            levels=shift_levels(self.exponents),
            mean_exponent=self.mean_exponent,
            step=torch.tensor([mean / 2**self.mean_exponent]),
            mask=mask,
            facts={"mixture": mixture.as_json(), "mean_exponent": self.mean_exponent},
            positive=positive,
        )
        best_scale(weight, focused)
        return focused
