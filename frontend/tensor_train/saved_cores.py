"""A decomposed float network in a file, so that its cores need not be trained for each scheme anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import nn

from shiftbook.frontend.tensor_train.chain import Chain, chains, replace_module
from shiftbook.frontend.tensor_train.modes import Modes
from shiftbook.frontend.weights.assigning import assign, check_finite
from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.golden.files import write_bytes
from shiftbook.golden.inputs import check_file

KEY = "shiftbook-tensor-train"


Facts = dict[str, Any]
"""How the cores were found, as JSON values."""


def save(model: nn.Module, path: Path, facts: Facts) -> None:
    """Write a model with chains: its state dict, what the chains look like, and how they were found."""
    layers = {
        name: {"outputs": c.modes.outputs, "inputs": c.modes.inputs, "ranks": c.ranks}
        for name, c in chains(model).items()
    }
    state = {name: value.detach().contiguous() for name, value in model.state_dict().items()}
    write_bytes(path, to_bytes(state, metadata={KEY: json.dumps({"layers": layers, "facts": facts})}))


def restore(model: nn.Module, path: Path) -> Facts:
    """Make of a model the one that `save` wrote, in place, and return how its cores were found.

    Raises
    ------
    ShiftbookError
        The file is no such file, damaged, or of another network.
    """
    check_file(path, "name a file that cores were kept in, or a new one")
    try:
        with safe_open(path, "pt") as file:
            found = (file.metadata() or {}).get(KEY)
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        first = first_line(error)
        raise ShiftbookError(
            f"cannot read the trained cores {path}: {first}; remove it to start anew"
        ) from error
    if found is None:
        raise ShiftbookError(
            f"{path} holds no trained cores: name a file that cores were kept in, or a new one"
        )
    layers, facts = _description(path, found)
    for name, layer in layers.items():
        try:
            old = model.get_submodule(name)
            if not isinstance(old, nn.Conv2d):
                raise AttributeError
            modes = Modes(
                tuple(layer["outputs"]), (old.kernel_size[0], old.kernel_size[1]), tuple(layer["inputs"])
            )
            chain = Chain(modes, modes.check(layer["ranks"]), old)
        except (AttributeError, KeyError, TypeError) as error:
            raise ShiftbookError(f"{path} is of another network: it has cores of {name!r}") from error
        replace_module(model, name, chain.train(old.training))
    assign(model, state, str(path))
    check_finite(model)
    return facts


def _description(path: Path, text: str) -> tuple[dict[str, Any], Facts]:
    try:
        found = json.loads(text)
        layers, facts = found["layers"], found["facts"]
    except (ValueError, KeyError, TypeError) as error:
        raise ShiftbookError(f"{path} is damaged: its description of the cores cannot be read") from error
    if not isinstance(layers, dict) or not isinstance(facts, dict):
        raise ShiftbookError(f"{path} is damaged: its description of the cores must hold two objects")
    return layers, facts
