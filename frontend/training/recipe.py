"""How to fine-tune, and how far to prune: plain data, read without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shiftbook.frontend.training.schedule import BATCH, PEAK_RATE
from shiftbook.golden.errors import ShiftbookError

if TYPE_CHECKING:
    from shiftbook.frontend.data.batches import Images


@dataclass(frozen=True)
class Balance:
    """What pruning knows of the engine.

    Parameters
    ----------
    slots
        Weight slots W.
    least
        Weights of an output channel that each slot keeps in any case, where it has as many: no output
        channel takes fewer cycles than its drain, so that these cost nothing.
    """

    slots: int
    least: int = 0


def check_density(density: float) -> float:
    """Return ``density``, or raise ShiftbookError if it is not in (0, 1]."""
    if not 0 < density <= 1:
        raise ShiftbookError(f"density must be in (0, 1], not {density}")
    return density


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to fine-tune.

    Parameters
    ----------
    rate, momentum, decay, batch
        Stochastic gradient descent with Nesterov momentum; the rate follows half a cosine to 0.
    prune_share
        Share of all steps in which weights are pruned and may return; the others quantize.
    prune_every
        Steps between two decisions about the masks.
    distill, temperature
        Share of the loss that asks for the float network's own answers, and how much they are softened.
    refresh_first
        The grids are fitted anew when more weights become quantized, and then after this many steps,
        after twice as many, and so on.
    refit_every
        Vectors get new codes in every step, and newly fitted codebooks after so many steps.
    refit_share
        All of this only during this share of the quantized steps. Then vectors keep their codes, and grids
        and codebooks change by learning alone: a new fit undoes what was learned, and late in training the
        rate is too low to learn it again.
    noise
        While codes change, the share of vectors that each step quantizes (Quant-Noise, arXiv 2004.07320).
    balance
        Prune so that each weight slot of an engine has equally much to do (see
        `frontend.training.prune.balance_slots`); None does not care.
    flip
        Mirror images at random; None mirrors colour images only (digits and letters have a side, and signals,
        which are images of height 1 or floats, a direction).
    bfloat16
        Compute activations in bfloat16; None does so where the processor multiplies it natively.
    """

    rate: float = PEAK_RATE
    momentum: float = 0.9
    decay: float = 1e-4
    batch: int = BATCH
    prune_share: float = 0.4
    prune_every: int = 32
    distill: float = 0.5
    temperature: float = 4.0
    refresh_first: int = 64
    refit_every: int = 64
    refit_share: float = 0.6
    noise: float = 1.0
    balance: Balance | None = None
    flip: bool | None = None
    bfloat16: bool | None = None

    def __post_init__(self) -> None:
        if not 0 < self.rate < float("inf"):
            raise ShiftbookError(f"rate must be positive and finite, not {self.rate}")
        if self.batch < 1:
            raise ShiftbookError(f"batch must be at least 1, not {self.batch}")
        if not 0 < self.noise <= 1:
            raise ShiftbookError(f"noise must be in (0, 1], not {self.noise}")
        if not 0 <= self.distill <= 1:
            raise ShiftbookError(f"distill must be in [0, 1], not {self.distill}")

    def mirrors(self, images: Images) -> bool:
        """Whether to mirror these images at random."""
        return images.shape[3] == 3 and images.shape[1] > 1 if self.flip is None else self.flip
