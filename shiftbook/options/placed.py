"""Checkpoints with the engine that each is to run on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import typer

from shiftbook.golden.spec import PRESETS
from shiftbook.options.paths import named


@dataclass(frozen=True)
class Placed:
    """A checkpoint's file and its engine; None for the one of ``--preset``."""

    path: Path
    preset: str | None


def placed(text: str) -> Placed:
    """``CKPT`` or ``CKPT:PRESET``; a file that has such a name is a file."""
    head, colon, tail = text.rpartition(":")
    if not colon or Path(text).is_file():
        return Placed(named(text), None)
    if tail in PRESETS:
        return Placed(named(head), tail)
    if Path(head).is_file():
        raise typer.BadParameter(f"there is no preset {tail!r:.40}: choose one of {', '.join(PRESETS)}")
    return Placed(named(text), None)
