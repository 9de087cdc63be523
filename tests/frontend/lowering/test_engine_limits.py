"""What no engine can run is known, and told, before anything is trained."""

import pytest
from torch import nn

from shiftbook.cli import main
from shiftbook.frontend.compress import compress
from shiftbook.frontend.lowering.engine_limits import engine_limit
from shiftbook.frontend.options.compression import CompressionOptions
from shiftbook.frontend.options.data import DataOptions
from shiftbook.golden.spec import DEFAULT
from tests.frontend.models import Dense, Mixed, Residual, layers_of, lively, small

NET = """
from torch import nn


def make():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=9), nn.ReLU(), nn.MaxPool2d(19, 2, padding=9),
        nn.Flatten(), nn.Linear(576, 10), nn.Softmax(1),
    )
"""


@pytest.mark.parametrize(
    ("model", "shape"), [(Residual, (3, 16, 16)), (Dense, (3, 8, 8)), (Mixed, (3, 9, 9)), (small, (2, 8, 8))]
)
def test_networks_that_run_have_none(model, shape):
    assert engine_limit(layers_of(lively(model()), shape), DEFAULT) == ""


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (nn.Conv2d(3, 9000, 1), "layer 0: output channels must be in 1..8191, not 9000"),
        (nn.Conv2d(3, 4, 3, padding=9), ""),  # on a padded copy
        (nn.Conv2d(3, 4, 3, stride=3), ""),  # resampled
        (nn.Conv2d(3, 4, (1, 13)), ""),  # in parts
    ],
)
def test_the_first_layer_in_the_way_is_named(first, message):
    model = lively(
        nn.Sequential(
            first, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(first.out_channels, 2)
        )
    )
    found = engine_limit(layers_of(model, (3, 24, 24)), DEFAULT)
    assert found.startswith(message)
    assert bool(found) == bool(message)


def test_compress_tells_it_first(tmp_path, capsys):
    (tmp_path / "net.py").write_text(NET)
    output = tmp_path / "net.ckpt"
    source = f"{tmp_path / 'net.py'}:make"
    assert main(["compress", source, "--data", "digits", "-o", str(output), "--scheme", "int8"]) == 0
    told = capsys.readouterr().err
    assert "the final Softmax is left out" in told
    assert "the accelerator cannot run this network, the golden model can: layer 2: its kernel" in told
    assert output.exists()


def test_it_is_told_before_work_begins(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    events = []
    compress(
        f"{tmp_path / 'net.py'}:make",
        tmp_path / "net.ckpt",
        data=DataOptions(images="digits"),
        compression=CompressionOptions(scheme="int8"),
        progress=lambda what, done, total: events.append(what),
        notice=lambda text: events.append("notice"),
    )
    assert events.index("float accuracy") > 1
    assert events.count("notice") == 2
    assert "notice" not in events[events.index("float accuracy") :]
