"""What a file of weights holds, read without running any pickled code."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from shiftbook.frontend.weights.assigning import cut, some
from shiftbook.frontend.weights.inert import Inert, model_of_old, stand_ins
from shiftbook.frontend.weights.kinds import MODEL_NEEDED, PICKLE, ZIP, foreign_kind
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.inputs import shown, unreadable


def read(path: Path) -> Any:
    """The values in a .safetensors file, or in a file that torch.save wrote.

    Returns
    -------
    Tensors by name, or what torch.save was given. Objects other than tensors, numbers, texts and
    containers come as `frontend.weights.inert.Inert`.

    Raises
    ------
    ShiftbookError
        There is no such file, or it is of another kind or damaged. Pickled code is never run.
    """
    reason = unreadable(path)
    if reason is not None:
        raise ShiftbookError(f"there is no weights file {shown(path)}: {reason}")
    try:
        return _safetensors(path) if path.suffix == ".safetensors" else _saved_by_torch(path)
    except OSError as error:
        raise ShiftbookError(f"cannot read {shown(path)}: {error.strerror or error}") from error


def _safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except OSError:
        raise
    except Exception as error:  # SafetensorError, and others for types that torch does not have
        with path.open("rb") as file:
            start = file.read(len(ZIP))
        if start.startswith((ZIP, PICKLE)):
            raise refusal(path, "torch.save wrote it, so its name must not end so") from error
        raise refusal(path, "it is damaged" if start else "it is empty") from error


def _saved_by_torch(path: Path) -> Any:
    kind = foreign_kind(path)
    if kind is not None:
        raise refusal(path, kind)
    try:
        known = stand_ins(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(known):
            warnings.simplefilter("ignore")  # about pickles of a newer kind, which it then refuses
            return torch.load(path, map_location="cpu", weights_only=True)
    except (ShiftbookError, OSError):
        raise
    except Exception as error:  # damaged files make the reader raise nearly anything
        why, model = "it is damaged, or holds objects of a kind that could run code", None
        with suppress(Exception):
            model = model_of_old(path)
        if model is not None:
            why = f"it holds a whole pickled model ({cut(model)})"
        raise refusal(path, f"{why}: {MODEL_NEEDED}") from error


def refusal(path: Path, reason: str) -> ShiftbookError:
    """The error of a file that holds no weights."""
    return ShiftbookError(
        f"{shown(path)} is neither a .safetensors file nor a state dict of tensors alone: {reason}"
    )


def refuse_without_tensors(path: Path, contents: Any) -> ShiftbookError:
    """The error of a file that could be read, but in which no tensor has a name."""
    if isinstance(contents, Inert):
        contents = {"": contents}
    values = list(_values(contents))
    models = [(key, v) for key, v in values if isinstance(v, Inert) and v.is_model]
    if models:
        key, model = models[0]
        where = f" under {key!r:.40}" if key else ""
        return refusal(path, f"it holds a whole pickled model ({cut(model.name)}){where}: {MODEL_NEEDED}")
    objects = sorted({v.name for _, v in values if isinstance(v, Inert)})
    if objects:
        named = some(objects)
        return refusal(path, f"it holds pickled objects ({named}), which could run code: {MODEL_NEEDED}")
    return ShiftbookError(
        f"{shown(path)} does not hold a state dict: a mapping of names to tensors, as "
        "torch.save(model.state_dict(), 'weights.pt') writes"
    )


def _values(contents: Any) -> Iterable[tuple[object, Any]]:
    """What stands at the top, with its keys."""
    if isinstance(contents, Mapping):
        return contents.items()
    return enumerate(contents) if isinstance(contents, list | tuple) else ()
