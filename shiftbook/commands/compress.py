"""`shiftbook compress`: from a trained network to a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from shiftbook.compressed import summary
from shiftbook.console import progress_bar, say
from shiftbook.files_read import compressed_from, ranks_file
from shiftbook.frontend.tensor_train.plan import CORES
from shiftbook.golden.files import absolute, check_writable
from shiftbook.golden.inputs import check_file
from shiftbook.options.compressing.compression import CompressionGroup
from shiftbook.options.compressing.data import DataGroup
from shiftbook.options.compressing.output import OutputGroup
from shiftbook.options.compressing.tensor_train import TensorTrainGroup
from shiftbook.options.compressing.training import TrainingGroup
from shiftbook.options.compressing.vectors import VectorGroup
from shiftbook.options.groups import grouped

STATES = ("", ".admm", ".cores")
"""What the names of the training's states end with."""


@grouped
def compress(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="zoo:digits, zoo:resnet20, zoo:resnet18, zoo:resnet50, zoo:mobilenet_v2, zoo:vgg11; "
            "path/to/file.py:factory; or a file with its weights: net.onnx, or net.pt2 of torch.export.save.",
        ),
    ],
    data: DataGroup,
    compression: CompressionGroup,
    training: TrainingGroup,
    vectors: VectorGroup,
    train: TensorTrainGroup,
    files: OutputGroup,
) -> None:
    """Compress a trained network into a checkpoint.

    Prunes weights, quantizes the others to the scheme's codebook while fine-tuning, calibrates activations
    to 8 bits, folds batch norm into the requantizer and writes one file that the golden model and the
    hardware run. It holds the input normalization too, so that they take raw pixels. Prints the accuracy of
    the network as it came and of the integer network, on images that were held out.

    The first and the last layer stay uniform and dense (--uniform), and depthwise layers are not pruned.
    Without epochs no weight is pruned unless --density asks for it, and weights are pruned and rounded so
    that those that are left make up for it, as well as the calibration images can tell; a low density needs
    epochs. With vectors, a layer with fewer than d weights in a slot is 8-bit too.

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
          --scheme int8
      shiftbook compress net.py:make --weights net.pt --data images -o net.ckpt --epochs 3
      shiftbook compress net.onnx --data images -o net.ckpt --scheme int8
      shiftbook compress zoo:resnet20 --weights resnet20.safetensors --data cifar10 -o r20.ckpt \\
          --scheme additive --dim 9 --codebooks 2 --codewords 256 --epochs 12
      shiftbook compress zoo:resnet20 --weights resnet20.safetensors --data cifar10 -o r20.ckpt \\
          --scheme tensor-train --cores int8 --ratio 2.3 --admm-epochs 10 --core-epochs 10
    """
    state = None
    if training.epochs or train.trains:
        state = files.output.with_name(files.output.name + ".training")
    _check_files(source, data, training, train, files, state)
    state, json_file = (path and absolute(path) for path in (state, files.json_file))
    images = data.options()
    options = compression.options(vectors, train.cores or CORES)
    tuning = training.options(vectors.noise, state, files.log)
    plan = train.plan(compression.scheme)
    from shiftbook.frontend.compress import compress as run
    from shiftbook.results.compress import Compression
    from shiftbook.results.writing import write_result

    with _resumable(state), progress_bar() as progress:
        report = run(
            source,
            files.output,
            weights=data.weights,
            data=images,
            compression=options,
            training=tuning,
            tensor_train=plan,
            progress=progress,
            notice=lambda text: say(text, err=True),
        )
    write_result(json_file, Compression, report.as_json())
    say(summary(report))


def _check_files(
    source: str,
    data: DataGroup,
    training: TrainingGroup,
    train: TensorTrainGroup,
    files: OutputGroup,
    state: Path | None,
) -> None:
    """Refuse outputs that cannot be written, or that are read, too, before any work."""
    kept = (training.keep_weights, train.keep_cores)
    outputs = (files.output, files.log, files.json_file, *kept, *_states(state))
    read = compressed_from(source, data.weights, (data.data, data.calibration), outputs)
    check_writable(*outputs, inputs=[*read, ranks_file(train.ranks), training.warm_start])
    for there in filter(os.path.lexists, _states(state)):
        check_file(there, "remove it to start anew")


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
