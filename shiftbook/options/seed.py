"""Of everything random."""

from __future__ import annotations

from typing import Annotated

import typer

MOST_SEED = 2**32 - 1
"""What every random generator takes, also times a million for those that are seeded layer by layer."""


Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        metavar="S",
        min=0,
        max=MOST_SEED,
        help="Of everything random: training, pruning, sampling. Same seed, same file.",
    ),
]
