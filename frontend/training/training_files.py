"""What training writes: its state after each epoch, from which it can go on, and a log of its epochs."""

from __future__ import annotations

import json
import pickle
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from shiftbook.frontend.data.batches import Images, Labels
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import open_output
from shiftbook.golden.inputs import check_file


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state to ``path``, whole or not at all."""
    try:
        with open_output(path) as file:
            torch.save(dict(state), file)
    except (ShiftbookError, RuntimeError) as error:
        raise ShiftbookError(f"cannot write the training state: {error}") from error


def load_state(path: Path, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Read a state whose entry ``identity`` must be the given one.

    Raises
    ------
    ShiftbookError
        The file is no state, or that of another run.
    """
    check_file(path, "remove it to start anew")
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        found = saved["identity"]
    except (OSError, RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise ShiftbookError(
            f"{path} is not a training state that can be read; remove it to start anew"
        ) from error
    for key, value in identity.items():
        if found.get(key) != value:
            raise ShiftbookError(
                f"{path} belongs to another run: its {key} is {found.get(key)}, not {value}; "
                f"remove it to start anew"
            )
    return saved


def digest_of(model: nn.Module, data: tuple[Images, Labels]) -> str:
    """A checksum of the float model, the images and the labels."""
    tensors = [value.to("cpu", torch.float32).numpy() for value in model.state_dict().values()]
    checksum = 0
    for array in (*tensors, *data):
        checksum = zlib.crc32(np.ascontiguousarray(array).data, checksum)
    return f"{len(data[0])} images, checksum {checksum:08x}"


def append_log(log: Path, record: dict[str, Any]) -> None:
    """Append a record to ``log`` as one line of JSON."""
    try:
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    except OSError as error:
        raise ShiftbookError(f"cannot write the training log {log}: {error.strerror}") from error
