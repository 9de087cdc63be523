"""Models and their weights: from the zoo, or from a function in the user's own file."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from shiftbook.frontend import zoo
from shiftbook.frontend.importing.folder import folder_kept
from shiftbook.frontend.importing.foreign import told
from shiftbook.frontend.importing.given import GivenModel
from shiftbook.golden.errors import MOST_SHOWN, ShiftbookError, first_line
from shiftbook.golden.inputs import shown, unreadable
from shiftbook.golden.progress import Progress, quiet

ZOO = "zoo:"
MAX_WEIGHT = 1e12
"""Largest magnitude of a weight, far above any that training gives: sums of squares stay finite."""

REAL = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Types of weights; buffers may also be of integers where the model's own are."""

SAVED = (b"PK\x03\x04", b"\x80")
"""How files begin that torch.save writes: as a zip file, or of old as a pickle."""

REFUSAL = "WeightsUnpickler error: "
"""What torch.load says before its reason."""

NOT_NEEDED = "num_batches_tracked"
"""Batch norm's counter: only training reads it, and many weight files leave it out."""


@dataclass(frozen=True)
class Source:
    """A model in eval mode, and what its zoo entry knows; None where the user must say."""

    model: nn.Module
    data: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


def load_model(
    source: str, weights: str | Path | None = None, *, seed: int = 0, progress: Progress = quiet
) -> Source:
    """Get a model with its weights.

    Parameters
    ----------
    source
        ``zoo:NAME``, or ``path/to/file.py:factory`` where ``factory()`` returns the nn.Module. Or a
        `frontend.importing.given.GivenModel`, whose model is copied.
    weights
        A .safetensors file, or a file that torch.save made of a state dict. Without it the model keeps what
        its factory gave it, and a zoo model is trained on the spot if it can be.

    Raises
    ------
    ShiftbookError
        The source is unknown, or the weights are missing, do not fit or are not finite.
    """
    if source.startswith(ZOO):
        entry = zoo.get(source.removeprefix(ZOO))
        if weights is None and entry.train is None:
            raise ShiftbookError(f"{source} needs its trained weights: give --weights FILE")
        if weights is None and entry.train is not None:
            return Source(entry.train(seed, progress), entry.data, entry.mean, entry.std)
        model = entry.build()
        found = Source(model, entry.data, entry.mean, entry.std)
    else:
        model = source.copy() if isinstance(source, GivenModel) else _from_file(source)
        found = Source(model)
    with told(lambda error: _failure(source, error)):  # its methods may be the user's own
        if weights is not None:
            assign(model, read_weights(weights), str(weights))
        check_finite(model)
        model.eval().float()
    return found


def _from_file(source: str) -> nn.Module:
    """Run the user's file and call its factory."""
    name, colon, factory = source.rpartition(":")
    path = Path(name)
    if not colon or path.suffix != ".py" or not factory:
        raise ShiftbookError(f"the model must be zoo:NAME or path/to/file.py:factory, not {shown(source)!r}")
    reason = unreadable(path)
    if reason is not None:
        raise ShiftbookError(f"there is no file {shown(path)} to take {shown(factory)!r} from: {reason}")
    spec = importlib.util.spec_from_file_location(f"shiftbook_model_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickles of the user's file look for it there
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        with folder_kept(), told(lambda error: _failure(source, error)):
            spec.loader.exec_module(module)
            known = hasattr(module, factory)
            model = getattr(module, factory)() if known else None
    finally:
        with suppress(ValueError):  # the user's code may have changed the list
            sys.path.remove(str(path.parent.resolve()))
    if not known:
        raise ShiftbookError(f"{path} has no {factory!r}: name the function that returns the model")
    if not isinstance(model, nn.Module):
        raise ShiftbookError(f"{source} must return a torch.nn.Module, not {type(model).__name__}")
    return model


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The state dict in a file, without the wrapping that training scripts like to put around it.

    Raises
    ------
    ShiftbookError
        There is no such file, or it holds something else. Pickled code is never run.
    """
    path = Path(path)
    reason = unreadable(path)
    if reason is not None:
        raise ShiftbookError(f"there is no weights file {shown(path)}: {reason}")
    state: Any
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about pickles of a newer kind, which it then refuses
                state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files make the two readers raise nearly anything
        raise ShiftbookError(
            f"{path} is neither a .safetensors file nor a state dict of tensors alone: {_why(path, error)}"
        ) from error
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()) or not state:
        raise ShiftbookError(f"{path} does not hold a state dict: a mapping of names to tensors")
    odd = [key for key in state if not isinstance(key, str)]
    if odd:
        raise ShiftbookError(f"{path} does not hold a state dict: its names must be text, not {odd[0]!r:.40}")
    wrapped = all(key.startswith("module.") for key in state)  # nn.DataParallel
    return {key.removeprefix("module.") if wrapped else key: value for key, value in state.items()}


def assign(model: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Copy a state dict into a model.

    Raises
    ------
    ShiftbookError
        Names the keys that are missing or unknown, or the first shape that differs.
    """
    own = model.state_dict()
    missing = [key for key in own if key not in state and not key.endswith(NOT_NEEDED)]
    unknown = [key for key in state if key not in own and not key.endswith(NOT_NEEDED)]
    if missing or unknown:
        said = [
            f"{what} {_some(keys)}" for what, keys in (("lacks", missing), ("has unknown", unknown)) if keys
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
        if (
            not isinstance(value, Tensor)
            or is_lazy(value)
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


def _some(keys: list[str]) -> str:
    """The first few of many names."""
    shown = ", ".join(keys[:3])
    return shown if len(keys) <= 3 else f"{shown} and {len(keys) - 3} more"


def _failure(source: str, error: BaseException) -> str:
    return f"{source} fails: {type(error).__name__}: {first_line(error)}"


def _why(path: Path, error: Exception) -> str:
    """What is wrong with a file of weights that could not be read."""
    with path.open("rb") as file:
        start = file.read(9)
    if not start:
        return "it is empty"
    if path.suffix != ".safetensors" and start[8:] == b"{" and not start.startswith(SAVED):
        return "the name of a .safetensors file must end so"
    if path.suffix != ".safetensors" and not start.startswith(SAVED):
        return f"it begins with {start[:8]!r}, not as torch.save writes"
    if isinstance(error, (KeyError, IndexError, EOFError)):  # of the unpickler, and not for people
        return "it is damaged"
    told_by_torch = str(error).partition(REFUSAL)[2].strip()
    return told_by_torch.splitlines()[0][:MOST_SHOWN] if told_by_torch else first_line(error)
