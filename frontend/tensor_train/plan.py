"""What to decompose and how: plain data, read without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from shiftbook.golden.errors import ShiftbookError

if TYPE_CHECKING:
    from shiftbook.frontend.tensor_train.modes import Ranks

TENSOR_TRAIN = "tensor-train"
"""What is no scheme of weights, and yet is asked for as one."""

CORES = "int8"
"""The scheme of the chains' weights, unless said otherwise."""

Search = Literal["energy", "measured", "largest"]

AFTER_ADMM = 1 / 6
"""Of the rate: the network knows its task by then, and a product of cores moves faster than its weights."""

Factors = Mapping[int, tuple[int, ...]]
"""Into which factors a number of channels is split, slowest first; a number that is not named is not
split."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to decompose and how to train it. At most one of ``ranks``, ``ratio`` and ``budget`` is given.

    Parameters
    ----------
    ranks
        By module path; ``*`` stands for any characters, the first pattern that fits counts. Other layers stay
        as they are.
    ratio
        Weights of the whole network over those that are left. None, with nothing else given, is 2.
    budget
        Most products of the whole network for an image.
    factors
        Of the channels.
    search
        How ranks are chosen: "energy" by what is lost of each layer's sum of squares, "measured" by what is
        done to the scores of calibration images, "largest" keeps the largest singular values (the baseline).
    admm_epochs, core_epochs
        Of training in the original shape, and of training the cores; 0 and 0 is TT-SVD alone.
    rho, updates
        See `frontend.tensor_train.admm.Admm`.
    keep_cores
        File for the trained float network with its cores; if it is there, they are taken from it.
    core_rate
        Highest learning rate of the cores. None takes that of all training, after ADMM `AFTER_ADMM` of it.
    """

    ranks: Mapping[str, Ranks] | None = None
    ratio: float | None = None
    budget: int | None = None
    factors: Factors = field(default_factory=dict)
    search: Search = "energy"
    admm_epochs: int = 0
    core_epochs: int = 0
    rho: float | None = None
    updates: int = 8
    core_rate: float | None = None
    keep_cores: Path | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("ranks", "ratio", "budget") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ShiftbookError(f"give one of ranks, ratio and budget, not {' and '.join(given)}")
        if self.ratio is not None and not 1 < self.ratio < float("inf"):
            raise ShiftbookError(f"ratio must be above 1 and finite, not {self.ratio}")
        if self.budget is not None and self.budget < 1:
            raise ShiftbookError(f"the budget of MACs must be at least 1, not {self.budget}")
        if self.search not in get_args(Search):
            raise ShiftbookError(f"search must be one of {get_args(Search)}, not {self.search!r}")
        if min(self.admm_epochs, self.core_epochs) < 0:
            epochs = (self.admm_epochs, self.core_epochs)
            raise ShiftbookError(f"epochs of ADMM and of the cores must be at least 0, not {epochs}")
        if self.rho is not None and not 0 < self.rho < float("inf"):
            raise ShiftbookError(f"rho must be positive and finite, not {self.rho}")
        if self.core_rate is not None and not 0 < self.core_rate < float("inf"):
            raise ShiftbookError(f"the rate of the cores must be positive and finite, not {self.core_rate}")
        if self.updates < 1:
            raise ShiftbookError(f"updates must be at least 1 an epoch, not {self.updates}")

    def rate_of_cores(self, rate: float) -> float:
        """The highest learning rate of the cores, where that of all training is ``rate``."""
        if self.core_rate is not None:
            return self.core_rate
        return AFTER_ADMM * rate if self.admm_epochs else rate

    @property
    def epochs(self) -> int:
        """Of all training."""
        return self.admm_epochs + self.core_epochs

    def describe(self) -> dict[str, object]:
        """The options as JSON values."""
        how = {"ranks": "given"} if self.ranks is not None else {"search": self.search}
        training = {"admm_epochs": self.admm_epochs, "core_epochs": self.core_epochs}
        admm = {"rho": self.rho, "updates": self.updates} if self.admm_epochs else {}
        rate = {"core_rate": self.core_rate} if self.core_epochs else {}
        return {"ratio": self.ratio, "budget_macs": self.budget, **how, **training, **admm, **rate}
