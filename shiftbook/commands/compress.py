"""`shiftbook compress`: from a trained network to a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from shiftbook.console import progress_bar, say
from shiftbook.files_read import data_files, ranks_file, source_file
from shiftbook.frontend.training.schedule import BATCH, PEAK_RATE
from shiftbook.golden.errors import ShiftbookError, one_line
from shiftbook.golden.files import absolute, check_writable, write_json
from shiftbook.golden.inputs import check_file
from shiftbook.golden.spec import DEFAULT
from shiftbook.options import Crop, Json, Resize, Seed, data_named, named

if TYPE_CHECKING:
    from shiftbook.frontend.compress import Report
    from shiftbook.frontend.tensor_train.plan import Plan

CoreScheme = Literal["focused", "shift", "int8", "additive", "product", "kernel"]
SchemeName = Literal[CoreScheme, "tensor-train"]
SearchName = Literal["energy", "measured", "largest"]
VECTORS = "Schemes with vectors"
TRAINS = "Tensor train"
TENSOR_TRAIN = "tensor-train"
STATES = ("", ".admm", ".cores")
"""What the names of the training's states end with."""


def compress(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="zoo:digits, zoo:resnet20, zoo:resnet18, zoo:resnet50, zoo:mobilenet_v2, zoo:vgg11, or "
            "path/to/file.py:factory.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="CKPT", parser=named, help="The checkpoint to write.")
    ],
    scheme: Annotated[
        SchemeName,
        typer.Option(
            help="focused: powers of two around two means. shift: powers of two. int8: uniform, 8 bits. "
            "additive: vectors that are sums of codewords from shared codebooks. product: of one codebook. "
            "kernel: codewords are whole kernels. tensor-train: convolutions first become chains of small "
            "ones, whose weights have the scheme --cores."
        ),
    ] = "focused",
    cores: Annotated[
        CoreScheme | None,
        typer.Option(
            help="Scheme of the chains' weights, and of all others. Default: int8, dense.",
            rich_help_panel=TRAINS,
        ),
    ] = None,
    ratio: Annotated[
        float | None,
        typer.Option(
            metavar="R",
            help="Weights of the network over those that are left; ranks are searched. Default: 2.",
            rich_help_panel=TRAINS,
        ),
    ] = None,
    budget_macs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Instead of a ratio: most products of the whole network for an image.",
            rich_help_panel=TRAINS,
        ),
    ] = None,
    ranks: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="Instead of a ratio: layer1.*=12x10,layer3.0.conv1=16x16, a rank for each pair of "
            "neighbours among the modes, or a .json file of lists by layer. Other layers stay as they are.",
            rich_help_panel=TRAINS,
        ),
    ] = None,
    factors: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="How channels are split into modes, such as 64=8x8,32=4x8, slowest first. Default: not at "
            "all, which gives the modes output x K*K x input.",
            rich_help_panel=TRAINS,
        ),
    ] = None,
    search: Annotated[
        SearchName | None,
        typer.Option(
            help="How ranks are found. energy: where they lose least of each layer's sum of squares. "
            "measured: of the scores of calibration images. largest: keep the largest singular values. "
            "Default: energy.",
            rich_help_panel=TRAINS,
        ),
    ] = None,
    admm_epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Epochs of training in the original shape, drawn to low ranks by ADMM. Default: 0.",
            rich_help_panel=TRAINS,
        ),
    ] = None,
    core_epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Then epochs of training the cores in float; --epochs comes after that. Default: 0.",
            rich_help_panel=TRAINS,
        ),
    ] = None,
    core_rate: Annotated[
        float | None,
        typer.Option(
            metavar="R",
            help="Highest learning rate of the cores. Default: a sixth of --rate after ADMM, else --rate.",
            rich_help_panel=TRAINS,
        ),
    ] = None,
    rho: Annotated[
        float | None,
        typer.Option(
            metavar="R",
            help="How hard ADMM draws. Default: as hard as the rate lets the weights follow.",
            rich_help_panel=TRAINS,
        ),
    ] = None,
    updates: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Updates of ADMM's targets in an epoch. Default: 8.",
            rich_help_panel=TRAINS,
        ),
    ] = None,
    keep_cores: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=named,
            help="Keep the trained float cores in FILE; if it is there, take them from it and train nothing.",
            rich_help_panel=TRAINS,
        ),
    ] = None,
    bits: Annotated[
        int | None,
        typer.Option(
            metavar="B",
            help="Bits of a weight before entropy coding, or of a codeword's weights. Default: 5; int8, "
            "additive, product: 8; kernel: 6.",
        ),
    ] = None,
    end_bits: Annotated[
        int,
        typer.Option(
            metavar="B",
            help="Bits of the first and the last layer's weights, uniform and dense; 5 for --preset narrow.",
        ),
    ] = 8,
    density: Annotated[
        float | None,
        typer.Option(
            metavar="D",
            help="Share of the weights to keep, in (0, 1]; 1 prunes none. Default: 0.2, with vectors 1; "
            "whole vectors are pruned then.",
        ),
    ] = None,
    balance: Annotated[
        bool,
        typer.Option(
            "--balance",
            help="Prune so that no slot waits for another: an output channel keeps as many weights in each. "
            "Those stay that cost no cycle, because draining the channel takes as long.",
        ),
    ] = False,
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
            parser=data_named,
            help="Images to fine-tune, calibrate and test on: a folder of class folders, an .npz with x "
            "(uint8 N,H,W,C) and y, or: digits. A zoo network may bring its own.",
        ),
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(metavar="D", parser=data_named, help="Other images to calibrate activations on."),
    ] = None,
    resize: Resize = None,
    crop: Crop = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=named,
            help="Trained weights: .safetensors, or a state dict written by torch.save.",
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
    seed: Seed = 0,
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
        typer.Option(
            metavar="FILE",
            parser=named,
            help="Append a line of JSON for each epoch: loss, density and so on.",
        ),
    ] = None,
    json_file: Json = None,
) -> None:
    """Compress a trained network into a checkpoint.

    Prunes weights, quantizes the others to the scheme's codebook while fine-tuning, calibrates activations
    to 8 bits, folds batch norm into the requantizer and writes one file that the golden model and the
    hardware run. It holds the input normalization too, so that they take raw pixels. Prints the accuracy of
    the network as it came and of the integer network, on images that were held out.

    The first and the last layer stay uniform (--end-bits) and dense, and depthwise layers are not pruned.
    Without epochs, weights are pruned and rounded so that those that are left make up for it, as well as the
    calibration images can tell; a low density needs epochs. With vectors, a layer with fewer than d weights
    in a slot is 8-bit too.

    With tensor-train, ADMM brings the weights near to low ranks, each convolution is cut into cores where
    that makes it smaller, the cores are trained, and their scheme compresses them like any other layer. Run
    by torchrun, several processes train together. The first layer, 1x1 convolutions and fully connected
    layers are not decomposed. Without epochs it is TT-SVD alone.

    While it trains, CKPT.training (and, of a tensor train, CKPT.training.admm and .cores) holds the state
    after each epoch: after an interruption the same command goes on from there. It is gone once CKPT is
    written.

    \b
    Examples:
      shiftbook compress zoo:digits -o digits.ckpt --epochs 20
      shiftbook compress zoo:resnet20 --weights resnet20.safetensors --data cifar10 -o r20.ckpt \\
          --scheme int8 --density 1
      shiftbook compress net.py:make --weights net.pt --data images -o net.ckpt --epochs 3
      shiftbook compress zoo:resnet20 --weights resnet20.safetensors --data cifar10 -o r20.ckpt \\
          --scheme additive --dim 9 --codebooks 2 --codewords 256 --epochs 12
      shiftbook compress zoo:resnet20 --weights resnet20.safetensors --data cifar10 -o r20.ckpt \\
          --scheme tensor-train --cores int8 --ratio 2.3 --admm-epochs 10 --core-epochs 10
    """
    trains = epochs or admm_epochs or core_epochs
    state = output.with_name(output.name + ".training") if trains else None
    outputs = (output, log, json_file, keep_cores, *_states(state))
    read = [weights, source_file(source), ranks_file(ranks)]
    check_writable(*outputs, inputs=[*read, *data_files(data, outputs), *data_files(calibration, outputs)])
    for there in filter(os.path.lexists, _states(state)):
        check_file(there, "remove it to start anew")
    state, json_file = (path and absolute(path) for path in (state, json_file))
    given = {
        "cores": cores,
        "ratio": ratio,
        "budget": budget_macs,
        "ranks": ranks,
        "factors": factors,
        "search": search,
        "admm_epochs": admm_epochs,
        "core_epochs": core_epochs,
        "core_rate": core_rate,
        "rho": rho,
        "updates": updates,
        "keep_cores": keep_cores,
    }
    if density is not None and not 0 < density <= 1:  # said before torch is imported
        raise ShiftbookError(f"density must be in (0, 1], not {density}")
    if not 0 < rate < float("inf"):
        raise ShiftbookError(f"rate must be positive and finite, not {rate}")
    if not 3 <= end_bits <= 8:
        raise ShiftbookError(f"end-bits must be in 3..8, not {end_bits}")
    if batch < 1:
        raise ShiftbookError(f"batch must be at least 1, not {batch}")
    if not 0 < noise <= 1:
        raise ShiftbookError(f"noise must be in (0, 1], not {noise}")
    means, deviations = _numbers("mean", mean), _numbers("std", std)
    spec = replace(DEFAULT, slots=slots)
    from shiftbook.frontend.compress import compress as run
    from shiftbook.frontend.data.dataset import Frame
    from shiftbook.frontend.schemes import make
    from shiftbook.frontend.training.prune import Balance
    from shiftbook.frontend.training.train import Recipe

    frame = Frame(resize, crop)
    plan = _plan(scheme, given)
    if scheme == TENSOR_TRAIN:
        scheme = cores or "int8"
        density = 1.0 if density is None and scheme == "int8" else density
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
            uniform_bits=end_bits,
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
            recipe=Recipe(
                rate=rate,
                noise=noise,
                batch=batch,
                balance=Balance(slots, spec.drain_cycles) if balance else None,
            ),
            state=state,
            log=log,
            tensor_train=plan,
            keep_cores=keep_cores,
            progress=progress,
        )
    write_json(json_file, report.as_json())
    say(summary(report))


def _plan(scheme: str, given: dict[str, Any]) -> Plan | None:
    """How to decompose layers; options that are None take their defaults."""
    from shiftbook.frontend.tensor_train.plan import Plan, parse_factors, parse_ranks

    given = {name: value for name, value in given.items() if value is not None}
    if scheme != TENSOR_TRAIN:
        if given:
            name = "--" + next(iter(given)).replace("_", "-").replace("budget", "budget-macs")
            raise ShiftbookError(f"{name} is for the scheme {TENSOR_TRAIN!r}, not for {scheme!r}")
        return None
    options = {name: value for name, value in given.items() if name not in ("cores", "keep_cores")}
    if "ranks" in options:
        options["ranks"] = parse_ranks(options["ranks"])
    if "factors" in options:
        options["factors"] = parse_factors(options["factors"])
    return Plan(**options)


def _states(state: Path | None) -> list[Path]:
    """The files of the training's state."""
    return [] if state is None else [state.with_name(state.name + kind) for kind in STATES]


@contextmanager
def _resumable(state: Path | None) -> Iterator[None]:
    """Say after an interruption how fine-tuning goes on."""
    try:
        yield
    except KeyboardInterrupt:
        if state is not None and any(state.parent.glob(f"{state.name}*")):
            raise KeyboardInterrupt(f"the same command goes on from {state}") from None
        raise


def summary(report: Report) -> str:
    """The report for people."""
    from shiftbook.golden.statistics.decomposed import decomposed_layers, savings

    sizes, facts = report.sizes, report.network.facts
    size = f"ratio {sizes.ratio:.2f}x, {sizes.bits_per_weight:.3f} bits a weight, {report.seconds:.0f} s"
    lines = [f"{one_line(str(report.path))}: {size}"]
    chains = decomposed_layers(report.network, sizes)
    if chains:
        saved = savings(report.network, sizes, chains)
        lines.append(
            f"{len(chains)} layers decomposed: {saved.weights:.2f}x fewer weights, {saved.macs:.2f}x "
            f"fewer MACs, with the cores' scheme ratio {saved.ratio:.2f}x"
        )
    if report.accuracy is not None and report.float_accuracy is not None:
        cores = facts.get("cores_accuracy")
        between = f"cores in float {100 * cores:.2f} %, " if isinstance(cores, float) else ""
        lines.append(
            f"accuracy float {100 * report.float_accuracy:.2f} %, {between}compressed "
            f"{100 * report.accuracy:.2f} % on {report.images:,} held out images"
        )
    return "\n".join(lines)


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
