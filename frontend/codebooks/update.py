"""The least-squares codebooks for given codes, all codewords of all codebooks at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shiftbook.frontend.codebooks.vectors import Vectors

BLOCK = 1 << 18
"""Vectors summed at a time; bounds the memory for float64 copies."""

RIDGE = 1e-9
"""Added to the diagonal, times its mean: among the many equal solutions it picks about the shortest."""


@dataclass(frozen=True)
class Normal:
    """The quadratic that codebooks are chosen by: for each element, c^T A c - 2 b^T c + constant.

    Members
    -------
    gram : float64 [E, M K, M K]: A, how much importance each pair of codewords shares; E = 1 where the
        elements of a vector count alike, else d
    moment : float64 [d, M K]: b, the weighted sum of the vectors that name each codeword
    constant : the error of all-zero codewords
    """

    gram: Tensor
    moment: Tensor
    constant: float

    @property
    def mass(self) -> Tensor:
        """The importance of all elements that each codeword stands for, float64 [M K]; 0 if unused."""
        return self.gram.diagonal(dim1=1, dim2=2).sum(0)

    def error(self, codebooks: Tensor) -> float:
        """Return the summed error with codebooks [M, K, d], float64."""
        flat = codebooks.double().flatten(0, 1).t()
        product = torch.matmul(self.gram, flat[:, :, None])[:, :, 0]
        return float((flat * (product - 2 * self.moment)).sum()) + self.constant

    def solve(self, books: int) -> Tensor:
        """Return the codebooks with the least error, float64 [M, K, d]; unused codewords are zero."""
        diagonal = self.gram.diagonal(dim1=1, dim2=2)
        ridge = RIDGE * diagonal.mean(1).clamp(min=1e-30)
        matrix = self.gram + ridge[:, None, None] * torch.eye(self.gram.shape[1], dtype=torch.float64)
        factor = torch.linalg.cholesky(matrix)
        right = self.moment[:, :, None] if len(factor) > 1 else self.moment.t()[None]
        solved = torch.cholesky_solve(right, factor)
        flat = solved[:, :, 0].t() if len(factor) > 1 else solved[0]
        return flat.unflatten(0, (books, -1))


def normal_equations(vectors: Vectors, codes: Tensor, codewords: int) -> Normal:
    """Sum up, over all vectors, what the least-squares codebooks depend on.

    Parameters
    ----------
    vectors
        N vectors of d elements.
    codes
        uint8 [N, M].
    codewords
        K.
    """
    count, books = codes.shape
    dim = vectors.values.shape[1]
    planes = dim if vectors.by_element else 1
    gram = np.zeros((planes, books, codewords, books, codewords))
    moment = np.zeros((dim, books, codewords))
    constant = 0.0
    for low in range(0, count, BLOCK):
        part = vectors[slice(low, low + BLOCK)]
        code = codes[low : low + BLOCK].t().long().numpy()
        values = part.values.double().t().contiguous().numpy()
        weights = None if part.importance is None else part.importance.double().t().contiguous().numpy()
        weighted = values if weights is None else values * weights
        constant += float((values * weighted).sum())
        for book in range(books):
            for plane in range(dim):
                moment[plane, book] += np.bincount(code[book], weighted[plane], codewords)
            _add_pairs(gram, code, book, weights)
    size = books * codewords
    return Normal(
        torch.from_numpy(gram.reshape(planes, size, size)),
        torch.from_numpy(moment.reshape(dim, size)),
        constant,
    )


def _add_pairs(
    gram: NDArray[np.float64], code: NDArray[np.int64], book: int, weights: NDArray[np.float64] | None
) -> None:
    """Add what the codewords of one codebook share with themselves and with those of later codebooks."""
    codewords = gram.shape[2]
    diagonal = np.arange(codewords)
    for plane in range(len(gram)):
        weight = None if weights is None else weights[plane]
        gram[plane, book, diagonal, book, diagonal] += np.bincount(code[book], weight, codewords)
        for other in range(book + 1, len(code)):
            pairs = code[book] * codewords + code[other]
            shared = np.bincount(pairs, weight, codewords**2).reshape(codewords, codewords)
            gram[plane, book, :, other] += shared
            gram[plane, other, :, book] += shared.T
