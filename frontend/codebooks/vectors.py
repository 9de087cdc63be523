"""The vectors to encode, their weights in the error, and the chunks that workers take them in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from shiftbook.golden.errors import ShiftbookError

CHUNK = 2048
"""Vectors that a worker takes at a time: 2,048 x 256 float32 costs fill 2 MB, about a core's cache."""

Each = Callable[[Callable[[slice], None], int], None]
"""``each(task, count)`` calls the task with slices that cover ``range(count)``, some at the same time."""


@dataclass(frozen=True)
class Vectors:
    """What is encoded, and how much each squared error counts.

    Members
    -------
    values : float32 [N, d]
    importance : None (all alike), float32 [N, 1] (a vector's) or [N, d] (each element's); >= 0
    """

    values: Tensor
    importance: Tensor | None

    @property
    def by_element(self) -> bool:
        """Whether the elements of one vector count differently."""
        return self.importance is not None and self.importance.shape[1] > 1

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, part: slice | Tensor) -> Vectors:
        return Vectors(self.values[part], None if self.importance is None else self.importance[part])

    def error(self, residual: Tensor) -> Tensor:
        """Return the weighted squared error of each vector, float32 [N], from what is left of it."""
        squares = residual.square()
        if self.importance is not None:
            squares.mul_(self.importance)
        return squares.sum(1)


def as_vectors(values: Tensor, importance: Tensor | None) -> Vectors:
    """Check what the caller gave.

    Returns
    -------
    Elements without importance are 0.

    Raises
    ------
    ShiftbookError
        Shapes that do not fit, values that are not finite, importance that is negative.
    """
    if values.ndim != 2 or values.shape[1] < 1:
        raise ShiftbookError(f"vectors must be [N, d] with d at least 1, not {list(values.shape)}")
    bad = int((~torch.isfinite(values)).sum())
    if bad:
        raise ShiftbookError(f"{bad} elements of the vectors are NaN or infinite: they must be finite")
    values = values.detach().float().contiguous()
    if importance is None:
        return Vectors(values, None)
    count, dim = values.shape
    if tuple(importance.shape) not in ((count,), (count, dim)):
        raise ShiftbookError(
            f"importance must be [{count}] or [{count}, {dim}] like the vectors, not {list(importance.shape)}"
        )
    bad = int((~(torch.isfinite(importance) & (importance >= 0))).sum())
    if bad:
        raise ShiftbookError(f"{bad} values of importance are negative, NaN or infinite: they must be >= 0")
    importance = importance.detach().float().reshape(count, -1).contiguous()
    return Vectors(values * (importance > 0), importance)


@contextmanager
def workers(chunk: int = CHUNK) -> Iterator[Each]:
    """Lend as many threads as torch has; torch itself has one meanwhile, so that each works in its cache."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:

            def each(task: Callable[[slice], None], count: int) -> None:
                bounds = [*range(0, count, chunk), count]
                for _ in pool.map(task, (slice(low, high) for low, high in pairwise(bounds))):
                    pass

            yield each
    finally:
        torch.set_num_threads(threads)
