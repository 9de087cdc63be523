"""What weights are to become."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from shiftbook.frontend.schemes.base import Scheme
from shiftbook.frontend.training.layer_context import LayerContext
from shiftbook.frontend.training.recipe import check_density


@dataclass(frozen=True, kw_only=True)
class Target:
    """What weights are to become.

    Parameters
    ----------
    scheme
        Of every layer but those in ``uniform``.
    density
        Share of weights to keep in (0, 1], over all layers that are pruned.
    densities
        Shares of single layers by module path; ``density`` is that of the others.
    uniform, uniform_bits
        Layers that are not pruned, and the bits of their weights.
    layer_contexts
        What each layer meets in the network; without, fully connected layers are 1x1 convolutions and no
        sign turns.

    Raises
    ------
    ShiftbookError
        A bad density.
    """

    scheme: Scheme
    density: float = 1.0
    densities: Mapping[str, float] = field(default_factory=dict)
    uniform: Collection[str] = ()
    uniform_bits: int = 8
    layer_contexts: Mapping[str, LayerContext] | None = None

    def __post_init__(self) -> None:
        check_density(self.density)
