"""Product quantization: a vector is one codeword. Source: arXiv 1907.05686."""

from __future__ import annotations

from shiftbook.frontend.schemes.vectors import VectorScheme
from shiftbook.golden.spec import DEFAULT, Spec


class Product(VectorScheme):
    """One codebook; see `VectorScheme`."""

    name = "product"
    help = "vectors, each a codeword of one codebook"

    def __init__(
        self,
        *,
        dim: int = 4,
        codewords: int = 256,
        terms: int | None = 1,
        bits: int = 8,
        per_layer: bool = False,
        spec: Spec = DEFAULT,
    ) -> None:
        super().__init__(
            dim=dim, codebooks=1, codewords=codewords, terms=terms, bits=bits, per_layer=per_layer, spec=spec
        )
