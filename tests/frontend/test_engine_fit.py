"""`compress --engine`: what cannot fit is refused before any work, and what comes out runs on the engine."""

from __future__ import annotations

import numpy as np
import pytest

from shiftbook import cli
from shiftbook.frontend.compress import compress
from shiftbook.frontend.options.compression import CompressionOptions
from shiftbook.frontend.options.data import DataOptions
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.legality import check_runnable, recode
from shiftbook.golden.spec import PRESETS
from shiftbook.golden.storage import checkpoint

NET = """
import torch
from torch import nn


def make():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(),
        nn.Conv2d(8, 64, 3, padding=1), nn.ReLU(),
        nn.Conv2d(64, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(16, 3),
    )


def padded():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(19, 1, padding=9), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(8, 3),
    )


def wide():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 32, 3, padding=1), nn.ReLU(), nn.Flatten(),
        nn.Linear(2048, 3),
    )
"""


@pytest.fixture
def source(tmp_path) -> str:
    (tmp_path / "net.py").write_text(NET)
    return f"{tmp_path / 'net.py'}:"


@pytest.fixture
def pixels(tmp_path) -> str:
    rng = np.random.default_rng(3)
    np.savez(tmp_path / "x.npz", x=rng.integers(0, 256, (12, 8, 8, 1), np.uint8))
    return str(tmp_path / "x.npz")


def compressed(source: str, pixels: str, tmp_path, **options: object):
    """The network that comes out."""
    path = tmp_path / "net.ckpt"
    compress(source, path, data=DataOptions(calibration=pixels), compression=CompressionOptions(**options))
    return checkpoint.load(path)


def test_what_comes_out_runs(source, pixels, tmp_path):
    """Dense weights of 576 inputs to an output: without the engine their sums need more than 18 bits."""
    options = {"scheme": "shift", "options": {"bits": 4}, "density": 1.0}
    free = compressed(f"{source}make", pixels, tmp_path, **options, uniform_bits=5)
    spec = PRESETS["shift4"]
    with pytest.raises(ShiftbookError, match=r"needs \d+ bits and the spec has 18"):
        check_runnable(recode(free, spec), spec)
    network = compressed(f"{source}make", pixels, tmp_path, **options, engine="shift4")
    check_runnable(recode(network, spec), spec)
    assert (network.facts["engine"], network.facts["uniform_bits"]) == ("shift4", 5)
    assert "engine" not in free.facts


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--scheme", "shift", "--engine", "shift4"],
            (
                "engine 'shift4' cannot represent the weight 64 of scheme 'shift' with 5 bits: take at most "
                "4 bits, or take engine shift, int8, int8_sparse, focused, two_term (--bits, --engine)"
            ),
        ),
        (
            ["--scheme", "int8", "--engine", "focused"],
            (
                "engine 'focused' cannot represent the weight 91 of scheme 'int8' with 8 bits: take at most "
                "7 bits, or take engine shift, int8, int8_sparse, two_term (--bits, --engine)"
            ),
        ),
        (
            ["--scheme", "shift", "--bits", "4", "--engine", "shift4", "--end-bits", "6"],
            (
                "engine 'shift4' cannot represent all weights of 6 bits in the first and the last layer: "
                "take at most 5 bits there (--end-bits)"
            ),
        ),
        *(
            (
                ["--scheme", "product", "--engine", engine],
                (
                    f"scheme 'product' makes vectors, which engine '{engine}' does not read: take another "
                    "(--scheme, --engine)"
                ),
            )
            for engine in ("shift4", "int8")
        ),
        (
            ["--engine", "tpu"],
            "engine must be one of shift, shift4, int8, int8_sparse, focused, two_term, not 'tpu'",
        ),
    ],
)
def test_weights_are_refused_before_images_are_read(options, message, tmp_path, capsys):
    arguments = ["compress", "zoo:digits", "--data", "nowhere", "-o", str(tmp_path / "x.ckpt"), *options]
    assert cli.main(arguments) == cli.USER_ERROR
    assert capsys.readouterr().err == f"error: {message}\n"


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("padded", "engine 'shift4' cannot run this network: layer 2: its kernel with padding"),
        (
            "wide",
            r"layer 5: it is dense, and the sums of its 2,048 inputs leave [01]\.\d steps to its weights",
        ),
    ],
)
def test_networks_are_refused_before_anything_is_rounded(factory, message, source, pixels, tmp_path):
    done = []
    with pytest.raises(ShiftbookError, match=message) as caught:
        compress(
            f"{source}{factory}",
            tmp_path / "x.ckpt",
            data=DataOptions(calibration=pixels),
            compression=CompressionOptions(scheme="shift", options={"bits": 4}, engine="shift4"),
            progress=lambda what, *_: done.append(what),
        )
    assert caught.value.arguments == ("engine",)
    assert not any("rounding" in what for what in done)


@pytest.mark.parametrize(
    ("engine", "bits"), [(None, 8), ("shift", 8), ("int8", 8), ("two_term", 8), ("focused", 7), ("shift4", 5)]
)
def test_end_layers_have_the_most_bits_that_lanes_can_say(engine, bits):
    assert CompressionOptions(engine=engine).bits_at_ends == bits
    assert CompressionOptions(engine=engine, uniform_bits=4).bits_at_ends == 4
