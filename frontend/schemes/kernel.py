"""Kernel quantization: a codeword is a whole kernel of one input channel. Source: arXiv 2003.05148."""

from __future__ import annotations

import torch

from shiftbook.frontend.codebooks import Layout
from shiftbook.frontend.schemes.vectors import VectorScheme
from shiftbook.golden.spec import DEFAULT, Spec


class Kernel(VectorScheme):
    """One codebook of kernels with ``dim`` taps and few bits; layers with other kernels become int8."""

    name = "kernel"
    help = "whole kernels, each a codeword of one codebook"

    def __init__(
        self,
        *,
        dim: int = 9,
        codewords: int = 256,
        terms: int | None = 1,
        bits: int = 6,
        per_layer: bool = False,
        spec: Spec = DEFAULT,
    ) -> None:
        super().__init__(
            dim=dim, codebooks=1, codewords=codewords, terms=terms, bits=bits, per_layer=per_layer, spec=spec
        )

    def _fits(self, shape: torch.Size) -> bool:
        _, channels, height, width = shape
        return Layout.fits_taps((height, width), channels, self.dim, self.spec)

    def _nothing_fits(self) -> str:
        return f"no layer has kernels of {self.dim} taps that lie whole in a slot: dim must be kh * kw"
