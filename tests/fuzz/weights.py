"""Target: weight files, .safetensors and .pt, damaged in their bytes and in their tensors."""

from __future__ import annotations

import argparse
import io
import random
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import save as safetensors_bytes
from torch import nn

from shiftbook.frontend.weights.assigning import MAX_WEIGHT, check_finite
from shiftbook.frontend.weights.loading import load_weights
from tests.fuzz.bytes_of_files import damaged
from tests.fuzz.judging import loaded

CHANGES = (
    lambda t: t.to(torch.complex64),
    lambda t: t.to(torch.bool),
    lambda t: t.to(torch.int64),
    lambda t: t.half(),
    lambda t: t.double(),
    lambda t: t * 1e30,
    lambda t: t / 0.0,
    lambda t: t.reshape(-1),
    lambda t: t.flatten()[:0],
    lambda t: t.to("meta"),
    lambda t: t.to_sparse(),
    lambda t: nn.Parameter(t) if t.is_floating_point() else t,
    lambda t: "text",
    lambda t: [t],
    lambda t: None,
)


@cache
def _state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return dict(_model().state_dict())


def _model() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))


def _masked(state: dict) -> dict:
    """As torch.nn.utils.prune stores weights."""
    masks = {f"{name}_mask": torch.ones_like(value) for name, value in state.items() if value.ndim == 4}
    return {name + "_orig" * (value.ndim == 4): value for name, value in state.items()} | masks


def mutate(rng: random.Random, folder: Path) -> Path:
    """A state dict with another tensor, name or wrapping, or whose file is damaged."""
    state: dict = dict(_state())
    name = rng.choice(sorted(state))
    kind = rng.randrange(6)
    if kind == 0:
        state[name] = rng.choice(CHANGES)(state[name])
    elif kind == 1:
        state[rng.choice(["more", "0.weight.", "module.x", 3, None, "a\x1b[2J"])] = state.pop(name)
    elif kind == 2:
        state = rng.choice(
            [
                {"state_dict": state},
                {"model": state, "epoch": 3},
                {"ema": state, "args": argparse.Namespace(lr=3)},
                {f"module.{name}": value for name, value in state.items()},
                _masked(state),
                {"model": 3},
                {},
                [state],
                3,
            ]
        )
    if rng.random() < 0.5 and kind > 2:
        data, suffix = safetensors_bytes(_state()), "safetensors"
    else:
        stream = io.BytesIO()
        torch.save(state, stream, _use_new_zipfile_serialization=rng.random() < 0.7)
        data, suffix = stream.getvalue(), "pt"
    path = folder / f"mutant.{suffix}"
    path.write_bytes(damaged(data, rng) if kind > 2 else data)
    return path


def judge(path: Path) -> bool:
    """Refused, or a model of finite real weights that computes something finite."""
    model = _model()

    def load() -> nn.Module:
        load_weights(model.eval(), path)
        check_finite(model)
        return model.float()

    if loaded(load) is None:
        return False
    for value in model.state_dict().values():
        assert not value.is_complex()
        assert bool(torch.isfinite(value).all())
        assert not value.is_floating_point() or float(value.abs().max()) <= MAX_WEIGHT
    return True
