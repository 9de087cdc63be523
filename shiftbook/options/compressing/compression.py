"""What `compress` makes of weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import typer

from shiftbook.frontend.options.compression import SCHEME, CompressionOptions, Ends
from shiftbook.frontend.tensor_train.plan import TENSOR_TRAIN
from shiftbook.golden.spec import DEFAULT, PRESETS
from shiftbook.options.compressing.vectors import VectorGroup
from shiftbook.options.schemes import scheme_or_train
from shiftbook.options.seed import Seed


@dataclass(frozen=True)
class CompressionGroup:
    """Options of the scheme, and of any scheme."""

    panel: ClassVar[str] = "Compression"

    scheme: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            parser=scheme_or_train,
            help="What weights become. {schemes} tensor-train: convolutions first become chains of small "
            "ones, whose weights have the scheme --cores.",
        ),
    ] = SCHEME
    bits: Annotated[
        int | None,
        typer.Option(
            metavar="B",
            help="Bits of a weight before entropy coding, or of a codeword's weights. Default: "
            "{default of bits}.",
        ),
    ] = None
    end_bits: Annotated[
        int | None,
        typer.Option(
            metavar="B",
            help="Bits of the weights of --uniform layers. Default: 8, or with --engine the most that its "
            "lanes can say (5 for shift4).",
        ),
    ] = CompressionOptions.uniform_bits
    uniform: Annotated[
        Ends,
        typer.Option(
            metavar="ENDS",
            help="Which of the first and the last layer stay uniform and dense: both, first, last or none. "
            "The others get the scheme and are pruned, too: in networks whose last layer has many weights, "
            "such as MobileNetV2, that saves many cycles.",
        ),
    ] = "both"
    density: Annotated[
        float | None,
        typer.Option(
            metavar="D",
            help="Share of the weights to keep, in (0, 1]; 1 prunes none. With vectors, whole vectors are "
            "pruned. Default: 1 without --epochs, with vectors, and for int8 cores of a tensor train; else "
            "0.2.",
        ),
    ] = None
    balance: Annotated[
        bool,
        typer.Option(
            "--balance",
            help="Prune so that no slot waits for another: an output channel keeps as many weights in each. "
            "Those stay that cost no cycle, because draining the channel takes as long. Default: off.",
        ),
    ] = CompressionOptions.balance
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Engine that the checkpoint must run on: {', '.join(PRESETS)}. What cannot fit its lanes "
            "and accumulators is refused before any work; sums of single channels are made to fit. "
            "Default: any.",
        ),
    ] = CompressionOptions.engine
    slots: Annotated[
        int, typer.Option(metavar="W", help="Weight slots of the engine that the streams are coded for.")
    ] = CompressionOptions.spec.slots
    seed: Seed = CompressionOptions.seed

    @property
    def decomposes(self) -> bool:
        """Whether layers become chains."""
        return self.scheme == TENSOR_TRAIN

    def options(self, vectors: VectorGroup, cores: str) -> CompressionOptions:
        """The options as the front end takes them.

        Parameters
        ----------
        cores
            The scheme of the chains' weights, where layers become chains.
        """
        return CompressionOptions(
            scheme=cores if self.decomposes else self.scheme,
            options={"bits": self.bits, **vectors.options()},
            density=self.density,
            balance=self.balance,
            importance=vectors.importance,
            uniform=self.uniform,
            uniform_bits=self.end_bits,
            engine=self.engine,
            spec=replace(DEFAULT, slots=self.slots),
            seed=self.seed,
        )
