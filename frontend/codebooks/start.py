"""Residual k-means: the codes that the alternation starts from."""

from __future__ import annotations

import torch
from torch import Tensor

from shiftbook.frontend.codebooks.encode import encode
from shiftbook.frontend.codebooks.update import normal_equations
from shiftbook.frontend.codebooks.vectors import Each, Vectors

SAMPLE = 256
"""Vectors a codeword that k-means sees; all are encoded in the end."""

LLOYD = 8
"""Rounds of k-means."""

NO_ROUNDS = range(0)


def residual_kmeans(
    vectors: Vectors, books: int, codewords: int, generator: torch.Generator, each: Each
) -> Tensor:
    """Return codes uint8 [N, M]: each codebook is k-means of what the codebooks before it leave."""
    rest = Vectors(vectors.values.clone(), vectors.importance)
    codes = torch.zeros(len(vectors), books, dtype=torch.uint8)
    for book in range(books):
        pick = torch.randperm(len(rest), generator=generator)[: SAMPLE * codewords]
        codebook = _kmeans(rest[pick], codewords, each)
        own = codes[:, book : book + 1].contiguous()
        encode(rest, codebook[None], own, NO_ROUNDS, each)
        codes[:, book : book + 1] = own
        rest.values.sub_(codebook[own[:, 0].int()])
    return codes


def _kmeans(vectors: Vectors, codewords: int, each: Each) -> Tensor:
    """Return the centres of k-means, float32 [K, d], started from the first K vectors."""
    centres = vectors.values[:codewords].clone()
    codes = torch.zeros(len(vectors), 1, dtype=torch.uint8)
    for _ in range(LLOYD):
        encode(vectors, centres[None], codes, NO_ROUNDS, each)
        normal = normal_equations(vectors, codes, codewords)
        used = normal.mass > 0
        centres[used] = normal.solve(1)[0][used].float()
        unused = (~used).nonzero()[:, 0]
        worst = vectors.error(vectors.values - centres[codes[:, 0].int()]).topk(len(unused)).indices
        centres[unused] = vectors.values[worst]
    return centres
