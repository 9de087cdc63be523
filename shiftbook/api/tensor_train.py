"""How `compress` makes chains of small convolutions of large ones."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from shiftbook.api.arguments import maybe, path_of, real, whole, wrong
from shiftbook.api.schemes import check_scheme
from shiftbook.frontend.tensor_train.plan import CORES, Plan, Search

if TYPE_CHECKING:
    from shiftbook.frontend.schemes.base import Scheme

POSITIVE = "a positive number"
RANKS, FACTORS = "{'layer1.*': (12, 10)}", "{64: (8, 8)}"

Key = TypeVar("Key", str, int)


@dataclass(frozen=True, kw_only=True)
class TensorTrain:
    """A tensor train, as the ``scheme`` of `compress`; at most one of ratio, budget_macs and ranks is given.

    Parameters
    ----------
    cores
        Scheme of the chains' weights, and of all others: its name, or a scheme with all its options. The
        other arguments of `compress`, such as bits and density, are of this scheme.
    ratio
        Weights of the network over those that are left, above 1; ranks are searched. None, with nothing else
        given, is 2.
    budget_macs
        Most products of the whole network per image.
    ranks
        By layer, a rank for each pair of neighbours among the modes, such as ``{"layer1.*": (12, 10)}``;
        ``*`` stands for any characters. Other layers stay as they are.
    factors
        How channels are split into modes, slowest first, such as ``{64: (8, 8)}``. None splits none, which
        gives the modes output x K*K x input.
    search
        How ranks are found. ``"energy"``: where they lose least of each layer's sum of squares.
        ``"measured"``: of the scores of calibration images. ``"largest"``: keep the largest singular values.
    admm_epochs
        Of training in the original shape, drawn to low ranks by ADMM.
    core_epochs
        Then of training the cores in float; the epochs of `compress` come after that.
    core_rate
        Highest learning rate of the cores. None is a sixth of the rate after ADMM, else the rate.
    rho
        How hard ADMM draws. None: as hard as the rate lets the weights follow.
    updates
        Of ADMM's targets in an epoch.
    keep_cores
        File for the trained float cores; if it is there, they are taken from it and nothing is trained.

    Raises
    ------
    ShiftbookError
        A value has another type, is out of range, or contradicts another.
    """

    cores: str | Scheme = CORES
    ratio: float | None = Plan.ratio
    budget_macs: int | None = Plan.budget
    ranks: Mapping[str, Sequence[int]] | None = Plan.ranks
    factors: Mapping[int, Sequence[int]] = field(default_factory=dict)
    search: Search = Plan.search
    admm_epochs: int = Plan.admm_epochs
    core_epochs: int = Plan.core_epochs
    core_rate: float | None = Plan.core_rate
    rho: float | None = Plan.rho
    updates: int = Plan.updates
    keep_cores: str | os.PathLike[str] | None = Plan.keep_cores

    def __post_init__(self) -> None:
        check_scheme("cores", self.cores)
        self.plan()

    def plan(self) -> Plan:
        """What the front end takes.

        Raises
        ------
        ShiftbookError
            See the class.
        """
        return Plan(
            ranks=None if self.ranks is None else _numbers_by("ranks", self.ranks, str, RANKS),
            ratio=maybe(real, "ratio", self.ratio, "a number above 1"),
            budget=maybe(whole, "budget_macs", self.budget_macs, 1),
            factors=_numbers_by("factors", self.factors, int, FACTORS),
            search=self.search,
            admm_epochs=whole("admm_epochs", self.admm_epochs, 0),
            core_epochs=whole("core_epochs", self.core_epochs, 0),
            rho=maybe(real, "rho", self.rho, POSITIVE),
            updates=whole("updates", self.updates, 1),
            core_rate=maybe(real, "core_rate", self.core_rate, POSITIVE),
            keep_cores=maybe(path_of, "keep_cores", self.keep_cores),
        )


def _numbers_by(name: str, values: object, kind: type[Key], example: str) -> dict[Key, tuple[int, ...]]:
    """Whole numbers by layer or by channels."""
    right = f"lists of integers as in {example}"
    if not isinstance(values, Mapping):
        raise wrong(name, right, values)
    found: dict[Key, tuple[int, ...]] = {}
    for key, numbers in values.items():
        if not isinstance(key, kind):
            raise wrong(f"a key of {name}", f"as in {example}", key)
        if isinstance(numbers, str) or not isinstance(numbers, Sequence):
            raise wrong(f"{name} of {key}", right, numbers)
        found[key] = tuple(whole(f"{name} of {key}", number, 1) for number in numbers)
    return found
