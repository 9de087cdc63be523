"""Codebooks that any number of layers share, on their way from the fit to the checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from shiftbook.frontend.codebooks.alternation import Codebooks
from shiftbook.frontend.codebooks.encode import decode
from shiftbook.frontend.codebooks.grid import allowed, nearest
from shiftbook.golden.coding.huffman import HuffmanCode
from shiftbook.golden.model import weights as golden_weights
from shiftbook.golden.spec import Spec


class SharedCodebooks:
    """Codebooks with one learnable value for each weight of a codeword.

    Parameters
    ----------
    terms, bits
        What integers the codewords hold, see `frontend.codebooks.grid.allowed`.

    Members
    -------
    values : float32 [M, K, d], learnable, in units of a layer's scale
    step : what one unit of the integers is worth
    """

    def __init__(self, values: Tensor, step: float, terms: int | None, bits: int) -> None:
        self.levels = allowed(terms, bits).float()
        self.values = nn.Parameter(values.clone())
        self.step = step

    def assign(self, found: Codebooks) -> None:
        """Take over the codewords of a fit."""
        self.step = found.step
        with torch.no_grad():
            self.values.copy_(found.real)

    @property
    def integers(self) -> Tensor:
        """The codewords, float32 [M, K, d]."""
        return nearest(self.values.detach() / self.step, self.levels)

    @property
    def real(self) -> Tensor:
        """The codewords in units of a layer's scale, float32 [M, K, d]."""
        return self.integers * self.step

    def decode(self, codes: Tensor) -> Tensor:
        """Return the vectors [N, d] of codes [N, M], whose gradient goes straight through to the values."""
        real = self.values + (self.real - self.values).detach()
        return decode(real, codes)

    def finish(self, codes: Sequence[Tensor], spec: Spec) -> tuple[golden_weights.Codebooks, Tensor]:
        """Sort each codebook by use, so that one Huffman code serves them all.

        Parameters
        ----------
        codes
            uint8 [n, M], of all layers that share the codebooks.

        Returns
        -------
        The codebooks as a checkpoint holds them, and the new code of each old one, uint8 [M, K].
        """
        every = torch.cat(list(codes)).long()
        books, codewords, _ = self.values.shape
        counts = torch.stack([torch.bincount(every[:, m], minlength=codewords) for m in range(books)])
        order = counts.argsort(dim=1, descending=True, stable=True)
        integers = torch.stack([book[rank] for book, rank in zip(self.integers, order, strict=True)])
        # Each codeword gets a code word, used or not.
        uses = 1 + counts.gather(1, order).sum(dim=0)
        lengths = HuffmanCode.from_counts(uses.numpy(), spec.code_length).lengths
        finished = golden_weights.Codebooks(integers.numpy().astype(np.int16), lengths.astype(np.uint8))
        return finished, order.argsort(dim=1).to(torch.uint8)
