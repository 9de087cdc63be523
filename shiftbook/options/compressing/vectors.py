"""Codebooks of vectors that `compress` fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer

from shiftbook.frontend.options.compression import CompressionOptions
from shiftbook.frontend.training.recipe import Recipe


@dataclass(frozen=True)
class VectorGroup:
    """Options of schemes with vectors."""

    panel: ClassVar[str] = "Vectors"

    dim: Annotated[
        int | None,
        typer.Option(
            metavar="d",
            help="Weights of a vector; of kernel the taps, 9 of 3x3. Default: {default of dim}.",
        ),
    ] = None
    codebooks: Annotated[
        int | None,
        typer.Option(
            metavar="M",
            help="Codewords that add up to a vector, one from each codebook. Default: "
            "{default of codebooks}.",
        ),
    ] = None
    codewords: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Codewords in a codebook, a power of two up to 256. Default: {default of codewords}.",
        ),
    ] = None
    terms: Annotated[
        int | None,
        typer.Option(
            metavar="T",
            help="Signed powers of two that add up to a codeword's weight, 1 to 4; each takes a cycle on the "
            "engine `shift`. Default: {default of terms}.",
        ),
    ] = None
    per_layer: Annotated[
        bool,
        typer.Option(
            "--per-layer",
            help="Give each layer codebooks of its own. Default: one set for all.",
        ),
    ] = False
    importance: Annotated[
        bool,
        typer.Option(
            "--importance",
            help="Weigh a codebook's errors by the inputs that they meet on the calibration images. Default: "
            "all alike.",
        ),
    ] = CompressionOptions.importance
    noise: Annotated[
        float,
        typer.Option(
            metavar="P",
            help="Share of the vectors that a training step quantizes while codes change (Quant-Noise).",
        ),
    ] = Recipe.noise

    def options(self) -> dict[str, object]:
        """Options of the scheme; those that are None take its defaults."""
        return {
            "dim": self.dim,
            "codebooks": self.codebooks,
            "codewords": self.codewords,
            "terms": self.terms,
            "per_layer": self.per_layer or None,
        }
