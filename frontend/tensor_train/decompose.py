"""Weights to the cores of a tensor train and back."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from shiftbook.frontend.tensor_train.modes import Modes, Ranks

Cores = list[Tensor]
"""Cores [r, n, r'], each with the left rank, the mode and the right rank; the outermost ranks are 1."""


def tt_svd(tensor: Tensor, ranks: Ranks) -> Cores:
    """Cut a tensor into cores by singular value decompositions from left to right.

    All cores but the last are orthogonal; the squared error is at most the sum of the squares of all singular
    values that the unfoldings lose.

    Parameters
    ----------
    tensor
        Any shape [n1, n2, ...]; computed in float64, on the processor, which is faster at small matrices.
    ranks
        One for each bond.

    Source: Oseledets 2011, "Tensor-train decomposition", algorithm 1.
    """
    sizes, rest = tensor.shape, tensor.double().cpu()
    cores, left = [], 1
    for size, rank in zip(sizes, ranks, strict=False):
        u, s, v = torch.linalg.svd(rest.reshape(left * size, -1), full_matrices=False)
        rank = min(rank, len(s))
        cores.append(u[:, :rank].reshape(left, size, rank))
        rest, left = s[:rank, None] * v[:rank], rank
    cores.append(rest.reshape(left, sizes[-1], 1))
    return [core.to(tensor.device, tensor.dtype) for core in cores]


def product(cores: Sequence[Tensor]) -> Tensor:
    """The tensor that cores stand for."""
    result = cores[0]
    for core in cores[1:]:
        result = torch.tensordot(result, core, dims=1)
    return result.squeeze(0).squeeze(-1)


def decompose(weight: Tensor, modes: Modes, ranks: Ranks) -> Cores:
    """Cores of weights [O, I, kh, kw], balanced."""
    return balanced(tt_svd(modes.tensor(weight.detach()), ranks))


def compose(cores: Sequence[Tensor], modes: Modes) -> Tensor:
    """The weights [O, I, kh, kw] that cores stand for."""
    return modes.kernels(product(cores))


def project(weight: Tensor, modes: Modes, ranks: Ranks) -> Tensor:
    """The nearest weights of these ranks that TT-SVD finds."""
    return compose(tt_svd(modes.tensor(weight.detach()), ranks), modes)


def balanced(cores: Sequence[Tensor], sweeps: int = 4) -> Cores:
    """The same product, from cores in which both sides of a bond have the same size.

    TT-SVD leaves the singular values in the last core; gradient descent would move the others too little.
    """
    result = list(cores)
    for _ in range(sweeps):
        for k in range(len(result) - 1):
            before = result[k].flatten(0, 1).norm(dim=0)
            after = result[k + 1].flatten(1).norm(dim=1)
            scale = (after / before.clamp(min=1e-30)).sqrt()
            scale = torch.where((before > 0) & (after > 0), scale, torch.ones_like(scale))
            result[k] = result[k] * scale
            result[k + 1] = result[k + 1] / scale[:, None, None]
    return result


def spectra(weight: Tensor, modes: Modes) -> list[Tensor]:
    """The singular values of the unfolding at each bond, largest first."""
    tensor = modes.tensor(weight.detach()).double()
    sizes = modes.sizes
    return [
        torch.linalg.svdvals(tensor.reshape(prod(sizes[:k]), prod(sizes[k:]))) for k in range(1, len(sizes))
    ]
