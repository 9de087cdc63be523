"""Additive quantization: a vector is the sum of one codeword from each of M codebooks.

Source: arXiv 2111.10320, where all layers of a network share the codebooks.
"""

from __future__ import annotations

from shiftbook.frontend.schemes.vectors import VectorScheme
from shiftbook.golden.spec import DEFAULT, Spec


class Additive(VectorScheme):
    """M codebooks; see `VectorScheme`."""

    name = "additive"
    help = "vectors, each the sum of a codeword from each of some codebooks"

    def __init__(
        self,
        *,
        dim: int = 8,
        codebooks: int = 2,
        codewords: int = 256,
        terms: int | None = 1,
        bits: int = 8,
        per_layer: bool = False,
        spec: Spec = DEFAULT,
    ) -> None:
        super().__init__(
            dim=dim,
            codebooks=codebooks,
            codewords=codewords,
            terms=terms,
            bits=bits,
            per_layer=per_layer,
            spec=spec,
        )
