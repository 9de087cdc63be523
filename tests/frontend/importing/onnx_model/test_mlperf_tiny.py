"""MLPerf Tiny's networks for images and for keywords, of 8 bits and of floats.

``MLPERF_TINY`` in the environment names the folder with the ONNX files that tf2onnx makes of them.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import shiftbook as sb
from shiftbook.golden.model.nodes import Conv
from tests.frontend.importing.onnx_model.quantized_files import weights_of

FOLDER = Path(os.environ.get("MLPERF_TINY", "mlperf-tiny"))

RAW = {"mean": (0.0,) * 3, "std": (1 / 255,) * 3}
"""For a network of floats that takes pixels 0..255."""

NETWORKS = {
    "pretrainedResnet": ((32, 32, 3), RAW),
    "pretrainedResnet_quant": ((32, 32, 3), {}),
    "kws_ref_model_float32": ((49, 10, 1), {}),
    "kws_ref_model": ((49, 10, 1), {}),
}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="MLPERF_TINY names no folder with the networks")


def compressed(name):
    shape, options = NETWORKS[name]
    images = np.random.default_rng(0).integers(0, 256, (64, *shape), np.uint8)
    return sb.compress(str(FOLDER / f"{name}.onnx"), (images, None), scheme="int8", **options), images


@pytest.mark.parametrize("name", ["pretrainedResnet_quant", "kws_ref_model"])
def test_quantized_weights_are_taken_over(name):
    network = compressed(name)[0].network
    layers = [item for item in network.nodes if isinstance(item, Conv)]
    wanted = weights_of(onnx.load(FOLDER / f"{name}.onnx"))
    assert len(layers) == len(wanted)
    unused = list(wanted)  # the layers may run in another order than the file's
    for layer in layers:
        mine = layer.weights.integers
        found = [i for i, theirs in enumerate(unused) if same(mine, theirs)]
        assert found, layer.name
        unused.pop(found[0])


def same(mine, theirs):
    ordered = theirs.transpose(0, 2, 3, 1) if theirs.ndim == 4 else theirs
    return mine.size == ordered.size and np.array_equal(mine.reshape(ordered.shape), ordered)


def test_quantized_scales_are_taken_over():
    name = "pretrainedResnet_quant"
    made = onnx.load(FOLDER / f"{name}.onnx")
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.graph.initializer}
    told = {float(tensors[n.input[1]]) for n in made.graph.node if n.op_type == "QuantizeLinear"}
    scales = compressed(name)[0].network.scales
    assert set(scales.values()) - {scales["input"]} <= told
    assert scales["input"] == pytest.approx(1, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_run_on_the_rtl(name):
    checkpoint, images = compressed(name)
    found = checkpoint.simulate(images, limit=2)
    assert found.compared > 2 * 10_000  # integers, none of which differs: a difference would be an error
