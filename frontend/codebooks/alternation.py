"""Additive codebooks for vectors: the whole alternation.

Residual k-means gives the first codes. Then, in turn: the least-squares codebooks for the codes, projected to
integers that the lanes can say; and better codes for the projected codebooks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from shiftbook.frontend.codebooks.encode import decode, encode
from shiftbook.frontend.codebooks.grid import WIDEST, allowed, nearest, project, refine
from shiftbook.frontend.codebooks.start import residual_kmeans
from shiftbook.frontend.codebooks.update import normal_equations
from shiftbook.frontend.codebooks.vectors import CHUNK, Each, Vectors, as_vectors, workers
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.progress import Progress, quiet

MOST_CODEWORDS = 256

ROUNDS = 4
"""Rounds of local search in an iteration, for each codebook.

Measured on ResNet-20's weights, d = 8, M = 2, K = 256, 25 iterations, mean squared error and CPU seconds:
1 round 0.0887, 4.2; 2: 0.0871, 6.0; 4: 0.0862, 6.9; 8: 0.0855, 11.2. Codebooks with noise that fades, as LSQ
has it, gave 0.0858 to 0.0908, depending on how much.
"""


@dataclass(frozen=True)
class Codebooks:
    """Codebooks and the codes of the vectors that they were fitted to.

    Members
    -------
    integers : int16 [M, K, d], of 8 bits or fewer
    step : what one unit of the integers is worth, > 0
    codes : uint8 [N, M]
    iterations : how many went into them
    """

    integers: Tensor
    step: float
    codes: Tensor
    iterations: int

    @property
    def real(self) -> Tensor:
        """The codewords, float32 [M, K, d]."""
        return self.integers * self.step

    def decode(self) -> Tensor:
        """Return the vectors that the codes stand for, float32 [N, d]."""
        return decode(self.real, self.codes)


def fit(
    vectors: Tensor,
    *,
    codebooks: int,
    codewords: int,
    terms: int | None = None,
    bits: int = WIDEST,
    importance: Tensor | None = None,
    iterations: int = 25,
    seed: int = 0,
    progress: Progress = quiet,
    start: Codebooks | None = None,
    chunk: int = CHUNK,
) -> Codebooks:
    """Fit M codebooks, so that each vector is nearly the sum of one codeword of each.

    Parameters
    ----------
    vectors
        float [N, d].
    codebooks
        M; 1 is product quantization.
    codewords
        K, a power of two in 2..256, at most N.
    terms
        T: each integer is a sum of at most T signed powers of two; None for any integer.
    bits
        Of the integers, 2..8.
    importance
        None, or [N] or [N, d], >= 0: how much a vector's or an element's squared error counts.
    iterations
        Updates of codebooks and codes.
    seed
        Of the choice of vectors that k-means starts with.
    start
        Go on from here; ``fit`` with 10 iterations and then with 10 from there is ``fit`` with 20.
    chunk
        Vectors that a worker takes at a time.

    Returns
    -------
    Codebooks whose weighted squared error is not larger than after any iteration before.

    Raises
    ------
    ShiftbookError
        See ``as_vectors``; or M, K or T is out of range, there are fewer vectors than codewords, or the
        start has another shape.
    """
    data = as_vectors(vectors, importance)
    levels = allowed(terms, bits)
    _check(data, codebooks, codewords, start)
    generator = torch.Generator().manual_seed(seed)
    with workers(chunk) as each:
        if start is None:
            progress("fitting codebooks", 0, iterations)
            codes = residual_kmeans(data, codebooks, codewords, generator, each)
            empty = torch.zeros(codebooks, codewords, data.values.shape[1], dtype=torch.int16)
            start = Codebooks(empty, 1.0, codes, 0)
        found = replace(start, codes=start.codes.clone())
        if not bool(torch.isin(found.integers, levels.short()).all()):
            found = replace(found, integers=torch.zeros_like(found.integers))
        for done in range(iterations):
            found = _iterate(data, found, levels, each)
            progress("fitting codebooks", done + 1, iterations)
    return found


def _iterate(data: Vectors, before: Codebooks, levels: Tensor, each: Each) -> Codebooks:
    """One update of codebooks and codes; neither lets the error grow."""
    books, codewords, _ = before.integers.shape
    normal = normal_equations(data, before.codes, codewords)
    choices = (
        project(normal, normal.solve(books), levels),
        refine(normal, before.integers.double(), before.step, levels),
    )
    integers, step = min(choices, key=lambda choice: normal.error(choice[0] * choice[1]))
    now = replace(before, integers=integers.short(), step=step, iterations=before.iterations + 1)
    _reseed(data, now, normal.mass.reshape(books, codewords) > 0, levels)
    first = before.iterations * ROUNDS * books
    encode(data, now.real, now.codes, range(first, first + ROUNDS * books), each)
    return now


def _reseed(data: Vectors, found: Codebooks, used: Tensor, levels: Tensor) -> None:
    """Give codewords that nothing uses to the worst vectors: what these lack, on top of their other codes."""
    unused = (~used).nonzero()[: len(data)]
    if len(unused) == 0:
        return
    real = found.real
    residual = data.values - decode(real, found.codes)
    error, worst = data.error(residual).topk(len(unused))
    unused, worst = unused[error > 0], worst[error > 0]
    books, words = unused.unbind(1)
    own = real[books, found.codes[worst, books].int()]
    lacking = residual[worst] + own
    found.integers[books, words] = nearest(lacking.double() / found.step, levels).short()


def check_sizes(books: int, codewords: int) -> None:
    """Refuse numbers of codebooks and codewords that make no sense.

    Raises
    ------
    ShiftbookError
        There is no codebook, or the codewords are not a power of two in 2..256.
    """
    if books < 1:
        raise ShiftbookError(f"the number of codebooks must be at least 1, not {books}")
    if not 2 <= codewords <= MOST_CODEWORDS or codewords & (codewords - 1):
        raise ShiftbookError(f"codewords must be a power of two in 2..{MOST_CODEWORDS}, not {codewords}")


def _check(data: Vectors, books: int, codewords: int, start: Codebooks | None) -> None:
    """Refuse sizes that do not fit the vectors."""
    check_sizes(books, codewords)
    count, dim = data.values.shape
    if count < codewords:
        most = 1 << count.bit_length() - 1
        fewer = f"take at most {most} codewords, or " if most > 1 else "take "
        raise ShiftbookError(
            f"{count} vectors are too few for {codewords} codewords: {fewer}a smaller dimension"
        )
    if start is None:
        return
    sizes = (books, codewords, dim), (count, books)
    given = tuple(start.integers.shape), tuple(start.codes.shape)
    if given != sizes:
        raise ShiftbookError(f"the start has codebooks and codes of shapes {given}, not {sizes}")
