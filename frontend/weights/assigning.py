"""A state dict into a model, and what its numbers must be."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from shiftbook.golden.errors import ShiftbookError

MAX_WEIGHT = 1e12
"""Largest magnitude of a weight, far above any that training gives: sums of squares stay finite."""

REAL = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Types of weights; buffers may also be of integers where the model's own are."""

COUNTERS = ("num_batches_tracked", "n_averaged", "total_ops", "total_params")
"""What no answer depends on, so that a file may lack it or have more of it: the counters of batch norm and
of SWA, which only training reads, and what thop counted."""

SOME, LONGEST_NAME = 3, 60
"""Names that a message lists, and characters of a name that it shows."""


def is_counter(name: str) -> bool:
    """Whether a name of a state dict is one of `COUNTERS`."""
    return name.rpartition(".")[2] in COUNTERS


def assign(model: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Copy a state dict into a model.

    Raises
    ------
    ShiftbookError
        Names the keys that are missing or unknown, or the first shape that differs.
    """
    own = model.state_dict()
    missing = [key for key in own if key not in state and not is_counter(key)]
    unknown = [key for key in state if key not in own and not is_counter(key)]
    if missing or unknown:
        said = [
            f"{what} {some(keys)}" for what, keys in (("lacks", missing), ("has unknown", unknown)) if keys
        ]
        raise ShiftbookError(f"{origin} does not fit the model: it {' and '.join(said)}")
    for key, value in state.items():
        if key not in own:
            continue
        if value.dtype not in (own[key].dtype, *REAL) or value.layout != torch.strided or value.is_meta:
            raise ShiftbookError(
                f"{origin} does not fit the model: {key} is {_kind(value)}, not dense real numbers"
            )
        if own[key].shape != value.shape:
            raise ShiftbookError(
                f"{origin} does not fit the model: {key} is {list(value.shape)}, not {list(own[key].shape)}"
            )
    model.load_state_dict({key: state.get(key, value) for key, value in own.items()})


def check_finite(model: nn.Module) -> None:
    """Refuse weights that nothing can be computed with, naming the first tensor that has one.

    Raises
    ------
    ShiftbookError
        A tensor has no values or is not of real numbers, or a value is NaN, infinite or absurdly large.
    """
    for key, value in model.state_dict().items():
        if isinstance(value, Tensor) and is_lazy(value):
            continue  # its first run gives it values
        if (
            not isinstance(value, Tensor)
            or value.is_meta
            or value.is_complex()
            or value.layout != torch.strided
        ):
            raise ShiftbookError(f"{key} is {_kind(value)}: weights must be dense real numbers")
        bad = ~torch.isfinite(value)
        if bad.any():
            raise ShiftbookError(f"{key} has {int(bad.sum())} NaN or infinite values: weights must be finite")
        if value.is_floating_point() and value.numel() and value.abs().max() > MAX_WEIGHT:
            most = float(value.abs().max())
            raise ShiftbookError(f"{key} has a value of {most:.3g}: weights must be within {MAX_WEIGHT:.0e}")


def some(keys: list[str]) -> str:
    """The first few of many names."""
    shown = ", ".join(map(cut, keys[:SOME]))
    return shown if len(keys) <= SOME else f"{shown} and {len(keys) - SOME} more"


def cut(name: str) -> str:
    """A name for messages: of a very long one the beginning."""
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."


def _kind(value: object) -> str:
    """What a value of a state dict is, for people."""
    if not isinstance(value, Tensor):
        return type(value).__name__
    if is_lazy(value):
        return "without a shape, of a lazy module"
    if value.is_meta:
        return "without values, on the meta device"
    form = "" if value.layout == torch.strided else f" in layout {value.layout}"
    return f"{value.dtype}{form}".replace("torch.", "")
