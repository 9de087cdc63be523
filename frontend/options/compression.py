"""What weights become."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

from shiftbook.frontend.schemes import catalogue, make
from shiftbook.frontend.training.recipe import Balance, check_density
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import DEFAULT, PRESETS, Spec

if TYPE_CHECKING:
    from shiftbook.frontend.schemes.base import Scheme

SCHEME = "focused"
"""The scheme of weights, unless said otherwise."""

Ends = Literal["both", "first", "last", "none"]
"""Of a network: its first layer, its last one, or both."""

ENDS: tuple[Ends, ...] = get_args(Ends)

UNIFORM_BITS = range(3, 9)
"""Bits that uniform layers may have."""


@dataclass(frozen=True, kw_only=True)
class CompressionOptions:
    """A scheme, how many weights it keeps, and for which engine.

    Parameters
    ----------
    scheme
        One of ``frontend.schemes.available()`` by name, or a scheme with all its options.
    options
        Of the scheme that is named, such as bits; those that are None or missing take its defaults.
    density
        Share of the weights to keep, in (0, 1]; None: see `density_of`.
    densities
        Likewise of single layers, by their paths; ``density`` is that of the others.
    balance
        Prune so that each weight slot of the engine has equally much to do.
    importance
        Fit codebooks to what the weights do to the calibration images: an error counts by the mean square
        of the input that it meets.
    uniform
        Layers that are not pruned and get uniform weights whatever the scheme: the ends of the network that
        are named, see `Ends`, or layers by their paths.
    uniform_bits
        Bits of these weights, 3..8; None means 8, or as many as the engine's lanes can say.
    engine
        Preset that the checkpoint must run on; None means that it need not run on any one.
    spec
        Widths, and the weight slots that the streams are coded for.
    seed
        Of everything random: training, pruning, sampling.

    Raises
    ------
    ShiftbookError
        There is no such scheme, or a number is out of range.
    """

    scheme: str | Scheme = SCHEME
    options: Mapping[str, object] = field(default_factory=dict)
    density: float | None = None
    densities: Mapping[str, float] = field(default_factory=dict)
    balance: bool = False
    importance: bool = False
    uniform: Ends | Collection[str] = "both"
    uniform_bits: int | None = None
    engine: str | None = None
    spec: Spec = DEFAULT
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.scheme, str):
            catalogue.check(self.scheme)
        elif self.options:
            raise ShiftbookError(f"options are of a scheme that is named; {self.scheme.name!r} has its own")
        if self.density is not None:
            check_density(self.density)
        for layer, share in self.densities.items():
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
                raise ShiftbookError(f"the density of layer {layer!r} must be in (0, 1], not {share!r:.40}")
        if isinstance(self.uniform, str) and self.uniform not in ENDS:
            raise ShiftbookError(f"uniform must be one of {', '.join(ENDS)}, not {self.uniform!r:.40}")
        if self.uniform_bits is not None and self.uniform_bits not in UNIFORM_BITS:
            raise ShiftbookError(f"bits of uniform layers must be in 3..8, not {self.uniform_bits}")
        if self.engine is not None and not (isinstance(self.engine, str) and self.engine in PRESETS):
            raise ShiftbookError(f"engine must be one of {', '.join(PRESETS)}, not {self.engine!r:.40}")
        if self.seed < 0:
            raise ShiftbookError(f"seed must be at least 0, not {self.seed}")

    def make_scheme(self) -> Scheme:
        """The scheme with its options; imports PyTorch.

        Raises
        ------
        ShiftbookError
            It has no such option, an option's value is out of range, or importance means nothing to it.
        """
        made = make(self.scheme, self.spec, **self.options) if isinstance(self.scheme, str) else self.scheme
        if made.incremental and self.importance:
            raise ShiftbookError(f"importance is for schemes with vectors, not for {made.name!r}")
        return made

    @property
    def bits_at_ends(self) -> int:
        """Bits of uniform layers: those that were given, or the most that the engine's lanes can say."""
        from shiftbook.golden.coding.terms import sayable  # NumPy, which help can do without

        if self.uniform_bits is not None:
            return self.uniform_bits
        lanes = DEFAULT if self.engine is None else PRESETS[self.engine]
        return max(bits for bits in UNIFORM_BITS if all(sayable(v, lanes) for v in range(1 << bits - 1)))

    @property
    def width_spec(self) -> Spec:
        """The spec with the engine's accumulators, which sums must fit."""
        if self.engine is None:
            return self.spec
        return replace(self.spec, accumulator_width=PRESETS[self.engine].accumulator_width)

    def density_of(self, scheme: Scheme, *, tuned: bool, decomposed: bool) -> float:
        """The density that was given, or what is usual.

        Without fine-tuning nothing makes up for weights that are lost: all stay. With it the scheme knows,
        but chains with int8 weights stay whole: their ranks are what was pruned.

        Parameters
        ----------
        tuned
            Whether fine-tuning follows.
        decomposed
            Whether layers are chains.
        """
        if self.density is not None:
            return self.density
        if not tuned or (decomposed and scheme.name == "int8"):
            return 1.0
        return scheme.density

    @property
    def balanced(self) -> Balance | None:
        """What pruning knows of the engine."""
        return Balance(self.spec.slots, self.spec.drain_cycles) if self.balance else None
