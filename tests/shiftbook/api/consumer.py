"""A program that uses the Python API; mypy checks it under --strict, and nothing in it is ever run."""

from collections.abc import Callable
from typing import assert_type

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame
from torch import nn

import shiftbook as sb
from shiftbook.frontend.schemes.base import Scheme


def compress(
    model: nn.Module, make: Callable[[], nn.Module], x: NDArray[np.uint8], y: NDArray[np.int32]
) -> None:
    assert_type(sb.compress("zoo:digits"), sb.Checkpoint)
    assert_type(sb.compress(model, data=(x, y), scheme="shift", density=0.2, epochs=3, seed=1), sb.Checkpoint)
    assert_type(sb.compress(make, data=(x, None), weights="net.pt", output="net.ckpt"), sb.Checkpoint)
    assert_type(sb.compress(nn.ReLU, data=sb.images("digits", part="train"), mean=[0.5]), sb.Checkpoint)
    assert_type(sb.compress(make, "photographs", resize=256, crop=224, rate=0.01, batch=64), sb.Checkpoint)
    assert_type(sb.compress(make, scheme="additive", dim=9, codebooks=2, per_layer=True), sb.Checkpoint)
    train = sb.TensorTrain(ratio=2.3, search="measured", factors={64: (8, 8)}, keep_cores="net.cores")
    assert_type(train.cores, str | Scheme)
    assert_type(sb.compress(model, scheme=train, log="log.jsonl", epochs=3), sb.Checkpoint)
    assert_type(sb.compress(model, scheme=sb.TensorTrain(ranks={"layer1.*": [12, 10]})), sb.Checkpoint)


def use(checkpoint: sb.Checkpoint, x: NDArray[np.uint8]) -> None:
    assert_type(checkpoint.ratio, float)
    assert_type(checkpoint.accuracy, float | None)
    assert_type(checkpoint.layers, list[sb.LayerSize])
    assert_type(checkpoint.layers[0].bits_per_weight, float)
    assert_type(checkpoint.run(x), sb.Answers)
    assert_type(checkpoint.run(x).scores, NDArray[np.uint8])
    assert_type(checkpoint.run(x).predictions, NDArray[np.int64])
    assert_type(checkpoint.run("digits").accuracy, float | None)
    assert_type(checkpoint.cycles("int8").total, int)
    assert_type(checkpoint.cycles().layers, tuple[sb.LayerCycles, ...])
    assert_type(checkpoint.simulate(x, sb.Spec(), limit=1), sb.Simulation)
    assert_type(checkpoint.simulate("photographs", resize=256, crop=224).mismatches, int)
    assert_type(checkpoint.run("photographs", resize=256, crop=224), sb.Answers)
    assert_type(checkpoint.simulate(x).layers[0].stream_wait, int)
    assert_type(checkpoint.to_dict(), dict[str, object])
    assert_type(checkpoint.to_frame(), DataFrame)


def measure(checkpoint: sb.Checkpoint) -> None:
    assert_type(sb.load("net.ckpt"), sb.Checkpoint)
    assert_type(sb.gates(sb.PRESETS["int8"]), sb.Gates)
    assert_type(sb.gates().modules[0].total_ge, float)
    found = sb.compare([checkpoint, "net.ckpt"], data="digits", gates=[sb.gates("int8")])
    assert_type(found, sb.Comparison)
    assert_type(found.checkpoints[0].relative, float)
    assert_type(sb.images("digits", limit=3).labels, NDArray[np.int64] | None)


sb.compress(3)  # type: ignore[arg-type]
sb.load(None)  # type: ignore[arg-type]
sb.gates(8)  # type: ignore[arg-type]
sb.compress("zoo:digits", batch="128")  # type: ignore[arg-type]
sb.TensorTrain(search="best")  # type: ignore[arg-type]
sb.TensorTrain(ranks={"3": "4x4"})  # type: ignore[dict-item]
print(sb.nothing)  # type: ignore[attr-defined]
