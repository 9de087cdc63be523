"""`shiftbook compress`: from a trained network to a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from frontend.schedule import BATCH, PEAK_RATE
from golden.errors import ShiftbookError
from golden.spec import DEFAULT
from shiftbook.console import progress_bar
from shiftbook.files import check_writable, write_json
from shiftbook.options import Crop, Json, Resize

if TYPE_CHECKING:
    from frontend.compress import Report

SchemeName = Literal["focused", "shift", "int8", "additive", "product", "kernel"]
VECTORS = "Schemes with vectors"


def compress(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="zoo:digits, zoo:resnet20, zoo:resnet18, zoo:resnet50, zoo:mobilenet_v2, zoo:vgg11, or "
            "path/to/file.py:factory.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="CKPT", help="The checkpoint to write.")],
    scheme: Annotated[
        SchemeName,
        typer.Option(
            help="focused: powers of two around two means. shift: powers of two. int8: uniform, 8 bits. "
            "additive: vectors that are sums of codewords from shared codebooks. product: of one codebook. "
            "kernel: codewords are whole kernels."
        ),
    ] = "focused",
    bits: Annotated[
        int | None,
        typer.Option(
            metavar="B",
            help="Bits of a weight before entropy coding, or of a codeword's weights. Default: 5; int8, "
            "additive, product: 8; kernel: 6.",
        ),
    ] = None,
    density: Annotated[
        float | None,
        typer.Option(
            metavar="D",
            help="Share of the weights to keep, in (0, 1]; 1 prunes none. Default: 0.2, with vectors 1; "
            "whole vectors are pruned then.",
        ),
    ] = None,
    dim: Annotated[
        int | None,
        typer.Option(
            metavar="d",
            help="Weights of a vector. Default: additive 8, product 4, kernel 9 (the taps of 3x3).",
            rich_help_panel=VECTORS,
        ),
    ] = None,
    codebooks: Annotated[
        int | None,
        typer.Option(
            metavar="M",
            help="Codewords that add up to a vector, one from each codebook. Default: 2.",
            rich_help_panel=VECTORS,
        ),
    ] = None,
    codewords: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Codewords in a codebook, a power of two up to 256. Default: 256.",
            rich_help_panel=VECTORS,
        ),
    ] = None,
    terms: Annotated[
        int | None,
        typer.Option(
            metavar="T",
            help="Signed powers of two that add up to a codeword's weight, 1 to 4; each takes a cycle on the "
            "default engine. Default: 1.",
            rich_help_panel=VECTORS,
        ),
    ] = None,
    per_layer: Annotated[
        bool,
        typer.Option(
            "--per-layer",
            help="Give each layer codebooks of its own, instead of one set for all.",
            rich_help_panel=VECTORS,
        ),
    ] = False,
    importance: Annotated[
        bool,
        typer.Option(
            "--importance",
            help="Weigh a codebook's errors by the inputs that they meet on the calibration images.",
            rich_help_panel=VECTORS,
        ),
    ] = False,
    noise: Annotated[
        float,
        typer.Option(
            metavar="P",
            help="Share of the vectors that a training step quantizes while codes change (Quant-Noise).",
            rich_help_panel=VECTORS,
        ),
    ] = 1.0,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="D",
            help="Images to fine-tune, calibrate and test on: a folder of class folders, an .npz with x "
            "(uint8 N,H,W,C) and y, or: digits. A zoo network may bring its own.",
        ),
    ] = None,
    calibration: Annotated[
        str | None, typer.Option(metavar="D", help="Other images to calibrate activations on.")
    ] = None,
    resize: Resize = None,
    crop: Crop = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Trained weights: .safetensors, or a state dict written by torch.save."
        ),
    ] = None,
    epochs: Annotated[
        int, typer.Option(metavar="N", help="Epochs of fine-tuning; 0 compresses the weights as they are.")
    ] = 0,
    rate: Annotated[
        float, typer.Option(metavar="R", help="Highest learning rate; it follows half a cosine to 0.")
    ] = PEAK_RATE,
    batch: Annotated[
        int,
        typer.Option(
            metavar="N", help="Images of a training step; of fewer images an epoch is a single step."
        ),
    ] = BATCH,
    seed: Annotated[int, typer.Option(metavar="S", help="Of everything random; same seed, same file.")] = 0,
    mean: Annotated[
        str | None,
        typer.Option(
            metavar="M,...",
            help="Input normalization on pixels in 0..1, a number for each channel. Default: the zoo's own, "
            "for colour images .485,.456,.406, else 0.",
        ),
    ] = None,
    std: Annotated[
        str | None,
        typer.Option(metavar="S,...", help="Likewise. Default for colour: .229,.224,.225, else 1."),
    ] = None,
    slots: Annotated[
        int, typer.Option(metavar="W", help="Weight slots of the engine that the streams are coded for.")
    ] = DEFAULT.slots,
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Append a line of JSON for each epoch: loss, density and so on."),
    ] = None,
    json_file: Json = None,
) -> None:
    """Compress a trained network into a checkpoint.

    Prunes weights, quantizes the others to the scheme's codebook while fine-tuning, calibrates activations
    to 8 bits, folds batch norm into the requantizer and writes one file that the golden model and the
    hardware run. It holds the input normalization too, so that they take raw pixels. Prints the accuracy of
    the network as it came and of the integer network, on images that were held out.

    The first and the last layer stay 8-bit and dense, and depthwise layers are not pruned. Without epochs,
    weights are pruned and rounded so that those that are left make up for it, as well as the calibration
    images can tell; a low density needs epochs. With vectors, a layer with fewer than d weights in a slot is
    8-bit too.

    While it trains, CKPT.training holds the state after each epoch: after an interruption the same command
    goes on from there. It is gone once CKPT is written.

    \b
    Examples:
      shiftbook compress zoo:digits -o digits.ckpt --epochs 20
      shiftbook compress zoo:resnet20 --weights resnet20.safetensors --data cifar10 -o r20.ckpt \\
          --scheme int8 --density 1
      shiftbook compress net.py:make --weights net.pt --data images -o net.ckpt --epochs 3
      shiftbook compress zoo:resnet20 --weights resnet20.safetensors --data cifar10 -o r20.ckpt \\
          --scheme additive --dim 9 --codebooks 2 --codewords 256 --epochs 12
    """
    check_writable(output, log, json_file)
    if density is not None and not 0 < density <= 1:  # said before torch is imported
        raise ShiftbookError(f"density must be in (0, 1], not {density}")
    if not 0 < rate < float("inf"):
        raise ShiftbookError(f"rate must be positive and finite, not {rate}")
    if batch < 1:
        raise ShiftbookError(f"batch must be at least 1, not {batch}")
    if not 0 < noise <= 1:
        raise ShiftbookError(f"noise must be in (0, 1], not {noise}")
    means, deviations = _numbers("mean", mean), _numbers("std", std)
    spec = replace(DEFAULT, slots=slots)
    state = output.with_name(output.name + ".training") if epochs > 0 else None
    from frontend.compress import compress as run
    from frontend.data import Frame
    from frontend.schemes import make
    from frontend.train import Recipe

    frame = Frame(resize, crop)
    options = {"dim": dim, "codebooks": codebooks, "codewords": codewords, "terms": terms}
    chosen = make(scheme, spec, bits=bits, per_layer=per_layer or None, **options)
    if chosen.incremental and (importance or noise < 1):
        named = "--importance" if importance else "--noise"
        raise ShiftbookError(f"{named} is for schemes with vectors, not for {scheme!r}")
    with _resumable(state), progress_bar() as progress:
        report = run(
            source,
            output,
            scheme=chosen,
            density=density,
            data=data,
            calibration=calibration,
            frame=frame,
            weights=weights,
            epochs=epochs,
            seed=seed,
            mean=means,
            std=deviations,
            spec=spec,
            importance=importance,
            recipe=Recipe(rate=rate, noise=noise, batch=batch),
            state=state,
            log=log,
            progress=progress,
        )
    write_json(json_file, report.as_json())
    typer.echo(summary(report))


@contextmanager
def _resumable(state: Path | None) -> Iterator[None]:
    """Say after an interruption how fine-tuning goes on."""
    try:
        yield
    except KeyboardInterrupt:
        if state is not None and state.exists():
            typer.echo(f"interrupted: the same command goes on from {state}", err=True)
        raise


def summary(report: Report) -> str:
    """The report for people."""
    sizes = report.sizes
    size = f"ratio {sizes.ratio:.2f}x, {sizes.bits_per_weight:.3f} bits a weight, {report.seconds:.0f} s"
    if report.accuracy is None or report.float_accuracy is None:
        return f"{report.path}: {size}"
    before, after = 100 * report.float_accuracy, 100 * report.accuracy
    accuracy = f"accuracy float {before:.2f} %, compressed {after:.2f} % on {report.images:,} held out images"
    return f"{report.path}: {size}\n{accuracy}"


def _numbers(name: str, text: str | None) -> tuple[float, ...] | None:
    """Numbers between commas."""
    if text is None:
        return None
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise ShiftbookError(
            f"{name} must be numbers between commas such as .5,.5,.5, not {text!r}"
        ) from None
