"""How a convolution's weights become a tensor of many modes, and what a chain of its cores costs.

The modes are, in the order of the train: the factors of the output channels with the fastest first, the K x
K taps as one mode, the factors of the input channels with the slowest first. The fastest factors are at
both ends because every contraction of the chain then works on consecutive runs of channels, and nothing has
to be transposed between two of them. Which factor of a channel's number is called the slowest is a matter
of taste.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from torch import Tensor

from shiftbook.golden.errors import ShiftbookError

Ranks = tuple[int, ...]
"""One rank for each bond between two cores, in the order of the train."""


class Link(NamedTuple):
    """One convolution of a chain.

    Members
    -------
    inputs, outputs : channels of one copy
    copies : consecutive runs of channels that have the same weights
    kernel : (kh, kw)
    core : index of the core that holds its weights
    """

    inputs: int
    outputs: int
    copies: int
    kernel: tuple[int, int]
    core: int

    @property
    def weights(self) -> int:
        """Weights that are stored."""
        return self.inputs * self.outputs * prod(self.kernel)

    @property
    def work(self) -> int:
        """Products for one output pixel."""
        return self.weights * self.copies


@dataclass(frozen=True)
class Modes:
    """The modes of one layer.

    Parameters
    ----------
    outputs, inputs
        Factors of the numbers of channels, slowest first.
    kernel
        (kh, kw); the taps are one mode.
    """

    outputs: tuple[int, ...]
    kernel: tuple[int, int]
    inputs: tuple[int, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes of the modes, in the order of the train."""
        return (*self.outputs[::-1], prod(self.kernel), *self.inputs)

    @property
    def middle(self) -> int:
        """Index of the core that holds the taps."""
        return len(self.outputs)

    @property
    def dense(self) -> int:
        """Weights of the layer before it is decomposed."""
        return prod(self.sizes)

    def limits(self) -> Ranks:
        """The ranks with which any weights at all can be said."""
        sizes = self.sizes
        return tuple(min(prod(sizes[:k]), prod(sizes[k:])) for k in range(1, len(sizes)))

    def reachable(self, ranks: Iterable[int]) -> Ranks:
        """The nearest ranks from 1 up, none larger than a neighbour and the mode between them can use."""
        sizes, bonds = self.sizes, [1, *(max(1, rank) for rank in ranks), 1]
        for k in range(1, len(bonds) - 1):
            bonds[k] = min(bonds[k], bonds[k - 1] * sizes[k - 1])
        for k in range(len(bonds) - 2, 0, -1):
            bonds[k] = min(bonds[k], bonds[k + 1] * sizes[k])
        return tuple(bonds[1:-1])

    def check(self, ranks: Sequence[int]) -> Ranks:
        """Return the ranks.

        Raises
        ------
        ShiftbookError
            There is not one for each bond, or one is beyond what the modes can use.
        """
        limits = self.limits()
        if len(ranks) != len(limits):
            raise ShiftbookError(
                f"ranks must be {len(limits)} numbers for modes {_text(self.sizes)}, not {_text(ranks)}"
            )
        if any(not 1 <= rank <= limit for rank, limit in zip(ranks, limits, strict=True)):
            raise ShiftbookError(
                f"ranks must be from 1 up to {_text(limits)} for modes {_text(self.sizes)}, "
                f"not {_text(ranks)}"
            )
        return tuple(ranks)

    def links(self, ranks: Ranks) -> Iterator[Link]:
        """The convolutions of the chain, in the order in which they run."""
        bonds = (1, *ranks, 1)
        copies = prod(self.inputs)
        for position in range(len(self.inputs) - 1, -1, -1):
            core, size = self.middle + 1 + position, self.inputs[position]
            copies //= size
            yield Link(size * bonds[core + 1], bonds[core], copies, (1, 1), core)
        yield Link(bonds[self.middle + 1], bonds[self.middle], 1, self.kernel, self.middle)
        for position, size in enumerate(self.outputs):
            core = self.middle - 1 - position
            yield Link(bonds[core + 1], size * bonds[core], copies, (1, 1), core)
            copies *= size

    def weights(self, ranks: Ranks) -> int:
        """Weights of the chain."""
        return sum(link.weights for link in self.links(ranks))

    def macs(self, ranks: Ranks, pixels: tuple[int, int]) -> int:
        """Products of the chain for an image, with ``pixels`` of the layer's input and of its output."""
        return sum(link.work * pixels[link.core <= self.middle] for link in self.links(ranks))

    def tensor(self, weight: Tensor) -> Tensor:
        """Weights [O, I, kh, kw] as a tensor of these modes."""
        many, few = len(self.outputs), len(self.inputs)
        split = weight.flatten(2).transpose(1, 2).reshape(*self.outputs, -1, *self.inputs)
        return split.permute(*range(many - 1, -1, -1), *range(many, many + 1 + few))

    def kernels(self, tensor: Tensor) -> Tensor:
        """Undo `tensor`."""
        many, few = len(self.outputs), len(self.inputs)
        split = tensor.permute(*range(many - 1, -1, -1), *range(many, many + 1 + few))
        rows = split.reshape(prod(self.outputs), prod(self.kernel), prod(self.inputs))
        return rows.transpose(1, 2).unflatten(2, self.kernel)


def modes_for(
    weight: Tensor, outputs: Sequence[int] | None = None, inputs: Sequence[int] | None = None
) -> Modes:
    """The modes of weights [O, I, kh, kw], by default the three [O, K*K, I].

    Raises
    ------
    ShiftbookError
        Factors that do not multiply to the channels.
    """
    found = []
    for what, channels, factors in (("output", weight.shape[0], outputs), ("input", weight.shape[1], inputs)):
        factors = (channels,) if factors is None else tuple(factors)
        if min(factors, default=0) < 1 or prod(factors) != channels:
            raise ShiftbookError(
                f"the factors of {channels} {what} channels must multiply to {channels}, not {_text(factors)}"
            )
        found.append(factors)
    return Modes(found[0], (weight.shape[2], weight.shape[3]), found[1])


def _text(numbers: Sequence[int]) -> str:
    return "x".join(map(str, numbers))
