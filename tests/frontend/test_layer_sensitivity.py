"""Networks whose layers were pruned alone are of the same shapes, layer by layer, as the whole network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shiftbook.frontend.layer_sensitivity import layer_sensitivity
from shiftbook.frontend.options.compression import CompressionOptions
from shiftbook.frontend.options.data import DataOptions
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.model.validate import shapes

NET = """
import torch
from torch import nn


def make():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 2), nn.ReLU(),
        nn.Flatten(), nn.Linear(32, 12), nn.ReLU(), nn.Linear(12, 10),
    )
"""


def test_a_fully_connected_layer_behind_a_map(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    found = layer_sensitivity(
        f"{tmp_path}/net.py:make",
        data=DataOptions(images="digits"),
        compression=CompressionOptions(scheme="shift", density=1.0),
        shares=(1.0, 0.5),
        images=32,
    )
    kept = []
    for network in found.networks:
        shapes(network)
        layer = next(
            node for node in network.nodes if isinstance(node, Conv) and len(node.weights.integers) == 12
        )
        assert layer.weights.integers.shape == (12, 2, 2, 8)
        kept.append(np.count_nonzero(layer.weights.integers))
    assert kept[1] <= 192 < kept[0]
