"""What every weight scheme offers: fit a grid to one layer, then round weights to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.weights import Vectors
from shiftbook.golden.progress import Progress, quiet


@dataclass(frozen=True)
class QuantizedLayer:
    """One layer's weights as integers: ``real = integers * step``, exactly, in float32.

    Members
    -------
    integers : int16 [O, kh, kw, I]
        Channel fastest, as the streams walk them. 0 where a weight is pruned.
    step : float, or float32 [O]
        Real value of one integer step, one for the layer or one for each output channel.
    codebook : int16 [K]
        The integers in use, ascending and distinct; it holds 0 exactly if some weight is 0.
    scheme : str
        The scheme that the layer ended up with, e.g. "shift" where focused found one cluster.
    facts : mapping
        What the scheme found out, as JSON values, for people.
    vectors
        The codes whose codewords add up to the integers, where the scheme has vectors; the codebook is
        empty then.
    """

    integers: NDArray[np.int16]
    step: float | NDArray[np.float32]
    codebook: NDArray[np.int16]
    scheme: str
    facts: Mapping[str, object] = field(default_factory=dict)
    vectors: Vectors | None = None

    def real(self) -> Tensor:
        """Return the real weights, float32 [O, I, kh, kw]."""
        integers = torch.from_numpy(self.integers.astype(np.float32)).permute(0, 3, 1, 2)
        step = torch.as_tensor(self.step, dtype=torch.float32).reshape(-1, 1, 1, 1)
        return (integers * step).contiguous()


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a scheme sees of one layer.

    Members
    -------
    weight : float [O, I, kh, kw], finite
    mask : bool [O, I, kh, kw], false where a weight is pruned
    generator : the only source of randomness, so that a fit can be repeated
    sign : float [O], -1 where the batch norm that follows turns the channel's sign, else 1; None for all 1
    moments : float [I, kh, kw], mean squares of the inputs that the weights see; None where unknown
    previous : what the last fit gave
    grid : float [O] or of one element, steps of weights that the user's file has quantized; None for others
    """

    weight: Tensor
    mask: Tensor
    generator: torch.Generator
    sign: Tensor | None = None
    moments: Tensor | None = None
    previous: Quantizer | None = None
    grid: Tensor | None = None


class Quantizer(ABC):
    """Rounds one layer's weights to a grid that was fitted to them.

    Parameters
    ----------
    step
        float32, one element or [O, 1, 1, 1]: real value of one integer step.
    mask
        bool [O, I, kh, kw]: false where a weight is pruned.
    scheme
        Name of the scheme in force on this layer.
    facts
        JSON values for people.
    """

    by_place = False
    """Whether the integers that a weight may become depend on where it is in the layer."""

    def __init__(self, step: Tensor, mask: Tensor, scheme: str, facts: Mapping[str, object]) -> None:
        self.step = step.to(torch.float32)
        self.mask = mask
        self.scheme = scheme
        self.facts = dict(facts)

    @abstractmethod
    def nearest(self, scaled: Tensor) -> Tensor:
        """Round ``scaled`` (weights in steps, [O, I, kh, kw]) to integers of the grid, kept as floats."""

    def integers(self, weight: Tensor) -> Tensor:
        """Return the integers for ``weight`` [O, I, kh, kw], as float32; 0 where masked."""
        scaled = weight.detach().to(torch.float32) / self.step
        return torch.where(self.mask, self.nearest(scaled), torch.zeros_like(scaled))

    def __call__(self, weight: Tensor) -> Tensor:
        """Return the fake-quantized weights: ``integers * step``, float32 [O, I, kh, kw]."""
        return self.integers(weight) * self.step

    def parameters(self) -> list[nn.Parameter]:
        """Return what training can learn besides the weights."""
        return []

    def draw(self, share: float, generator: torch.Generator) -> Tensor:
        """Return a mask [O, I, kh, kw] that is true for a random share of what is quantized as one."""
        return torch.rand(self.mask.shape, generator=generator) < share

    def saved(self) -> dict[str, Tensor]:
        """Return what ``Scheme.restore`` needs besides the weights that the grid was fitted to."""
        return {}

    def layer(self, weight: Tensor, alpha: float = 1.0, rounded: Tensor | None = None) -> QuantizedLayer:
        """Quantize ``weight`` [O, I, kh, kw] for good; the layer scale ``alpha`` goes into the step.

        ``rounded`` are its integers where they are known, as float32.
        """
        integers = self.integers(weight) if rounded is None else rounded
        array = integers.permute(0, 2, 3, 1).to(torch.int16).contiguous().numpy()
        steps = (self.step * alpha).reshape(-1).numpy()
        return QuantizedLayer(
            integers=array,
            step=float(steps[0]) if steps.size == 1 else steps,
            codebook=np.unique(array).astype(np.int16),
            scheme=self.scheme,
            facts=self.facts,
        )


class LevelQuantizer(Quantizer):
    """Rounds to the nearest of some integer levels; overflow clips; halves go away from the lower level.

    Parameters
    ----------
    levels
        float32 [K], ascending, distinct integers.
    """

    def __init__(
        self, levels: Tensor, step: Tensor, mask: Tensor, scheme: str, facts: Mapping[str, object]
    ) -> None:
        super().__init__(step, mask, scheme, facts)
        self.levels = levels
        self.bounds = (levels[1:] + levels[:-1]) / 2

    def nearest(self, scaled: Tensor) -> Tensor:
        return self.levels[torch.bucketize(scaled, self.bounds, right=True)]


class Scheme(ABC):
    """How weights become integers. Subclasses add their options as keyword arguments.

    Parameters
    ----------
    bits
        Bits of a code before entropy coding.
    """

    name: ClassVar[str]
    help: ClassVar[str] = ""
    """One line for the command line's help."""
    lowest_bits: ClassVar[int]
    highest_bits: ClassVar[int]
    density: ClassVar[float] = 0.2
    """Share of the weights to keep in fine-tuning, unless said otherwise."""
    incremental: ClassVar[bool] = True
    """Whether training quantizes more and more of the weights; else all from the start."""

    def __init__(self, bits: int = 5) -> None:
        if not self.lowest_bits <= bits <= self.highest_bits:
            allowed = f"{self.lowest_bits}..{self.highest_bits}"
            raise ShiftbookError(f"bits of scheme {self.name!r} must be in {allowed}, not {bits}")
        self.bits = bits

    @abstractmethod
    def fit(self, weight: Tensor, mask: Tensor, generator: torch.Generator) -> Quantizer:
        """Fit the grid of one layer.

        Parameters
        ----------
        weight
            float [O, I, kh, kw], finite.
        mask
            bool [O, I, kh, kw]: false where a weight is pruned.
        generator
            The only source of randomness, so that a fit can be repeated.
        """

    def values(self) -> frozenset[int]:
        """Return the integers that weights may become; none where that is not known ahead."""
        return frozenset()

    def saliency(self, weight: Tensor) -> Tensor:
        """Return what pruning ranks weights [O, I, kh, kw] by; those that are equal go together."""
        return weight

    def describe(self) -> dict[str, object]:
        """Return the options as JSON values."""
        return {"bits": self.bits}

    def fit_all(self, parts: Sequence[Part], progress: Progress = quiet) -> list[Quantizer]:
        """Fit the grids of all layers that have this scheme."""
        return [self.fit(part.weight, part.mask, part.generator) for part in parts]

    def alternatives(self) -> Sequence[Scheme]:
        """Return the schemes of which each layer may take the one that serves it best without training."""
        return (self,)

    def follow(self, parts: Sequence[Part]) -> None:
        """Bring grids that choose ahead of time up to the weights of this moment, cheaply."""
        return None

    def restore(self, parts: Sequence[Part], saved: Sequence[Mapping[str, Tensor]]) -> list[Quantizer]:
        """Return the grids that ``fit_all`` gave for these weights, with what their ``saved`` gave."""
        return self.fit_all(parts)

    def finish(self, quantizers: Sequence[Quantizer]) -> None:
        """Prepare the grids of all layers for ``Quantizer.layer``: nothing changes any more."""
        return None


def best_scale(weight: Tensor, quantizer: Quantizer, rounds: int = 10) -> Tensor:
    """Return the step that least squares gives the quantizer on unpruned weights, by turns with rounding.

    Parameters
    ----------
    weight
        float [O, I, kh, kw].
    quantizer
        Its ``step`` (one element) is the start, and holds the result too.
    rounds
        Rounding and least squares in turn; the error never grows.
    """
    for _ in range(rounds):
        integers = quantizer.integers(weight).double()
        energy = (integers * integers).sum()
        step = (weight.detach() * integers).sum() / energy.clamp(min=1)
        step = step.float().reshape(quantizer.step.shape)
        if not step > 0 or torch.equal(step, quantizer.step):
            break
        quantizer.step = step
    return quantizer.step


def channel_scales(weight: Tensor, quantizer: Quantizer) -> Tensor:
    """Give each output channel the step, of some within an octave either way, with the least squared error.

    Powers of two cannot tell steps apart that are an octave apart, unless at their ends.

    Parameters
    ----------
    weight
        float [O, I, kh, kw].
    quantizer
        Its ``step`` (one element) is the middle; [O, 1, 1, 1] takes its place.
    """
    middle = quantizer.step.reshape(-1, 1, 1, 1)
    best = least = torch.full((len(weight), 1, 1, 1), torch.inf)
    for power in torch.linspace(-1, 1, 33):
        quantizer.step = (middle * 2.0**power).expand(len(weight), 1, 1, 1)
        error = (quantizer(weight) - torch.where(quantizer.mask, weight, 0.0)).square()
        error = error.sum(dim=(1, 2, 3), keepdim=True)
        best = torch.where(error < least, quantizer.step, best)
        least = torch.minimum(error, least)
    quantizer.step = best
    return best
