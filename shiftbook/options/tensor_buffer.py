"""How much memory an accelerator has for tensors between layers."""

from __future__ import annotations

from typing import Annotated

import typer

TensorBuffer = Annotated[
    int | None,
    typer.Option(
        "--tensor-buffer",
        metavar="KIB",
        help="KiB of memory on the chip that keeps tensors between layers off the bus, a power of two. "
        "Default: 0, none.",
    ),
]
