"""Codewords that the lanes can say: integers of few signed powers of two, times one common step."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from shiftbook.frontend.codebooks.update import Normal
from shiftbook.golden.coding.terms import MAX_ROWS
from shiftbook.golden.errors import ShiftbookError

WIDEST = 8
"""Bits of a codeword's integers, at most."""

SWEEPS = 4
"""Times that all codewords are rounded, each with what the others' rounding leaves."""

STEPS = 2.0 ** torch.arange(-4, 0.01, 0.125, dtype=torch.float64)
"""Parts of the step that reaches the largest codeword which are tried first; smaller steps clip."""


@lru_cache(maxsize=16)
def allowed(terms: int | None, bits: int = WIDEST) -> Tensor:
    """Return the integers of so many bits that are sums of at most so many +-2^e; ascending, float64.

    Raises
    ------
    ShiftbookError
        ``terms`` is not None (any integer) or 1..4, or ``bits`` not 2..8.
    """
    if not 2 <= bits <= WIDEST:
        raise ShiftbookError(f"bits of a codeword's integers must be in 2..{WIDEST}, not {bits}")
    half = 1 << bits - 1
    if terms is None:
        return torch.arange(-half, half, dtype=torch.float64)
    if not 1 <= terms <= MAX_ROWS:
        raise ShiftbookError(f"terms must be in 1..{MAX_ROWS}, or None for any integer, not {terms}")
    said = {0}
    for _ in range(terms):
        said |= {value + sign * 2**e for value in said for e in range(bits) for sign in (1, -1)}
    return torch.tensor(sorted(v for v in said if -half <= v < half), dtype=torch.float64)


def nearest(values: Tensor, levels: Tensor) -> Tensor:
    """Return the level nearest to each value; of two as near, the larger."""
    return levels[torch.bucketize(values.contiguous(), (levels[1:] + levels[:-1]) / 2, right=True)]


def project(normal: Normal, codebooks: Tensor, levels: Tensor) -> tuple[Tensor, float]:
    """Find integers and a step for codebooks, with little growth of the error for the given codes.

    Parameters
    ----------
    normal
        The error that codebooks have, for the codes.
    codebooks
        float64 [M, K, d], real: where to start.
    levels
        The allowed integers, ascending.

    Returns
    -------
    Integers float64 [M, K, d], and the step > 0. The step that rounds best is searched; then one codebook
    after the other is rounded for what the rounding of the others leaves. That is exact for each: no vector
    names two codewords of one codebook, so these do not depend on each other.
    """
    if not codebooks.any():
        return torch.zeros_like(codebooks), 1.0
    step = _rounding_step(codebooks, levels, normal.mass.reshape(codebooks.shape[:2]))
    return refine(normal, nearest(codebooks / step, levels), step, levels)


def refine(normal: Normal, integers: Tensor, step: float, levels: Tensor) -> tuple[Tensor, float]:
    """Improve integers float64 [M, K, d] of the levels, and their step; the error does not grow."""
    for _ in range(SWEEPS):
        step = _best_step(normal, integers) or step
        before = integers
        integers = _round_in_turn(normal, integers, step, levels)
        if torch.equal(integers, before):
            break
    return integers, _best_step(normal, integers) or step


def _rounding_step(codebooks: Tensor, levels: Tensor, mass: Tensor) -> float:
    """The step with the least rounding error, each codeword counted by its mass."""
    steps = STEPS * float(codebooks.abs().max()) / (-float(levels[0]) - 1)

    def error(step: Tensor) -> float:
        rounded = nearest(codebooks / step, levels) * step
        return float(((rounded - codebooks).square().sum(2) * mass).sum())

    return float(min(steps, key=error))


def _best_step(normal: Normal, integers: Tensor) -> float | None:
    """The step with the least error for integers; None if no positive one does better than zero."""
    flat = integers.flatten(0, 1).t()
    product = torch.matmul(normal.gram, flat[:, :, None])[:, :, 0]
    above, below = float((flat * normal.moment).sum()), float((flat * product).sum())
    return above / below if above > 0 and below > 0 else None


def _round_in_turn(normal: Normal, integers: Tensor, step: float, levels: Tensor) -> Tensor:
    """Each codebook's best integers, given the others; unused codewords stay as they are."""
    books, codewords, dim = integers.shape
    flat = integers.flatten(0, 1).t().clone()
    diagonal = normal.gram.diagonal(dim1=1, dim2=2)
    for book in range(books):
        own = slice(book * codewords, (book + 1) * codewords)
        shared = torch.matmul(normal.gram[:, own], flat[:, :, None])[:, :, 0]
        shared -= diagonal[:, own] * flat[:, own]
        mass = diagonal[:, own].expand(dim, -1)
        best = (normal.moment[:, own] / step - shared) / mass.clamp(min=1e-30)
        flat[:, own] = torch.where(mass > 0, nearest(best, levels), flat[:, own])
    return flat.t().reshape(integers.shape)
