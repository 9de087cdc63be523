"""Float weights of a fine-tuned network in a file, from which another compression of it can start.

A checkpoint holds integers alone, with batch norm folded in. What training went on with is kept here: the
weights before rounding, pruned ones included, and batch norm.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from shiftbook.frontend.training.layer_state import States
from shiftbook.frontend.weights.assigning import assign, check_finite
from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.golden.files import write_bytes
from shiftbook.golden.inputs import check_file

KEY = "shiftbook-weights"


@torch.no_grad()
def save(model: nn.Module, states: States, path: Path) -> None:
    """Write a model's state dict; the scale of each layer goes into its weights."""
    kept = {name: value.detach().contiguous() for name, value in model.state_dict().items()}
    for name, state in states.items():
        kept[f"{name}.weight"] = (state.weight * state.alpha).contiguous()
    write_bytes(path, to_bytes(kept, metadata={KEY: "1"}))


def load(model: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Put a state dict that `read` returned for ``path`` into a model.

    Raises
    ------
    ShiftbookError
        It is another network's, or a value is not finite.
    """
    assign(model, state, str(path))
    check_finite(model)


def read(path: Path) -> Mapping[str, Tensor]:
    """Return the state dict that `save` wrote.

    Raises
    ------
    ShiftbookError
        The file is no such file, or damaged.
    """
    check_file(path, "name a file that weights were kept in")
    try:
        with safe_open(path, "pt") as file:
            ours = KEY in (file.metadata() or {})
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        why = first_line(error)
        raise ShiftbookError(
            f"cannot read the kept weights {path}: {why}; name a file that weights were kept in"
        ) from error
    if not ours:
        raise ShiftbookError(f"{path} holds no kept weights: name a file that weights were kept in")
    return state
