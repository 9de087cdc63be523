"""What a file is that holds no weights, told by its first bytes or by the names within it."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

ZIP, PICKLE = b"PK\x03\x04", b"\x80"
"""How files begin that torch.save writes: as a zip file, or of old as a pickle."""

RECORD = "data.pkl"
"""The member of a zip file of torch.save that holds all but the numbers."""

MODEL_NEEDED = "load it in Python, and save its weights with torch.save(model.state_dict(), 'weights.pt')"
"""The way out for files that hold a model."""

BEGINNINGS = {
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF": "an HDF5 file, as Keras writes",
    b"\x1f\x8b": "compressed: unpack it with gunzip",
    b"version https://git-lfs": "a pointer of Git LFS: fetch the file itself with git lfs pull",
    b"<": "a page of HTML or XML: download the file itself",
    b"GGUF": "a GGUF file of a language model",
}
LONGEST = max(map(len, BEGINNINGS))
"""Bytes that tell a file's kind."""


def foreign_kind(path: Path) -> str | None:
    """Why a file that is not named .safetensors holds no weights, for people; None where it may hold some."""
    with path.open("rb") as file:
        start = file.read(LONGEST)
    if not start:
        return "it is empty"
    if start.startswith(ZIP):
        return _kind_of_zip(path)
    if start.startswith(PICKLE):
        return None
    if start[8:9] == b"{":
        return "the name of a .safetensors file must end so"
    told = f"it begins with {start[:8]!r}, not as torch.save writes"
    kind = next((kind for beginning, kind in BEGINNINGS.items() if start.startswith(beginning)), None)
    return told if kind is None else f"{told}; it is {kind}"


def _kind_of_zip(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "it is a damaged zip file: its end is missing or its table of contents is broken"
    if _has(names, "constants.pkl"):
        how = f"torch.save(torch.jit.load({path.name!r}).state_dict(), 'weights.pt')"
        return f"it is a TorchScript archive, which holds code: save its weights with {how}"
    if _has(names, RECORD):
        return None
    if _has(names, "archive_format") or any("/models/" in f"/{name}" for name in names):
        return f"it is a program of torch.export: {MODEL_NEEDED}"
    if any(name.endswith(".npy") for name in names):
        return "it is a NumPy .npz file"
    held = f"{names[0]!r:.60}" if names else "nothing"
    return f"it is a zip file that torch.save did not write: it holds {held}"


def _has(names: Sequence[str], last: str) -> bool:
    """Whether a member of the archive's own folder has this name."""
    return any(name == last or (name.count("/") == 1 and name.endswith(f"/{last}")) for name in names)
